"""Turns CUDA's launches into calls that a C++ compiler knows: k<T><<<grid, block>>>(x) becomes emulated::launch("k", {grid, block}, [&] { k<T>(x); }),
and dynamic shared memory into a pointer. Everything else is macros and functions of cuda_runtime.h. Usage: translate.py file.cu > file.cpp"""

import re
import sys


def closing(text, start, opening, end):
    """Index of the bracket that closes the one at start."""
    depth = 0
    for index in range(start, len(text)):
        if text[index] == opening:
            depth += 1
        elif text[index] == end:
            depth -= 1
            if depth == 0:
                return index
    raise SystemExit(f"no {end} closes: {text[start:start + 60]}")


def name_before(text, end):
    """Where the kernel's name begins: an identifier, with template arguments perhaps."""
    index = end
    if text[index - 1] == ">":
        depth = 0
        while True:
            index -= 1
            depth += {">": 1, "<": -1}.get(text[index], 0)
            if depth == 0:
                break
    while re.match(r"[\w:]", text[index - 1]):
        index -= 1
    return index


def translate(text):
    text = re.sub(r"extern __shared__ (\w+) (\w+)\[\];", r"\1 *\2 = static_cast<\1 *>(emulated::dynamicShared());", text)
    while (place := text.find("<<<")) >= 0:
        begin = name_before(text, place)
        kernel = text[begin:place]
        shape_end = text.index(">>>", place)
        arguments_end = closing(text, shape_end + 3, "(", ")")
        shape, arguments = text[place + 3:shape_end], text[shape_end + 4:arguments_end]
        name = kernel.split("<")[0]
        call = f'emulated::launch("{name}", emulated::Shape({shape}), [&] {{ {kernel}({arguments}); }})'
        text = text[:begin] + call + text[arguments_end + 1:]
    return text


print(f'#line 1 "{sys.argv[1]}"')
print(translate(open(sys.argv[1]).read()), end="")
