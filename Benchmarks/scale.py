"""How time and memory grow with the work: runs the program over two decades of it, and writes reports/scale.md and reports/scale.svg (log axes).

Usage: scale.py ORRERY ROOT [--quick]. Seconds are the process's own CPU time, memory its highest resident size; exponents are slopes of a line
through log(time - start) over log(work), where the start is what `--version` takes.
"""

import math
import os
import subprocess
import sys
import tempfile

orrery, root = sys.argv[1:3]
quick = "--quick" in sys.argv


def run(arguments):
    """CPU seconds and megabytes of a run of the program."""
    process = subprocess.Popen([orrery, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"orrery {' '.join(arguments)} failed: {errors}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def llama(gpus, extra):
    """Llama 3 405B with so many GPUs: more replicas, and a batch that grows with them."""
    text = open(os.path.join(root, "scenarios/llama3-405b-16k.yaml")).read()
    replicas = gpus // 128
    for old, new in [("gpus: 16384", f"gpus: {gpus}"), ("data: 128", f"data: {replicas}"), ("global_batch: 2048", f"global_batch: {16 * replicas}")]:
        if old not in text:
            raise SystemExit(f"scenarios/llama3-405b-16k.yaml has no longer \"{old}\"")
        text = text.replace(old, new)
    return text + extra


HEADER = (
    "id,source,hardware,gpus,gpus_per_node,inter_node,layers,hidden,heads,kv_heads,head_dim,ffn,activation,vocab,sequence,attention,global_batch,"
    "micro_batch,tensor,pipeline,virtual,context,data,sequence_parallel,zero,recompute,precision,schedule,framework,step_time_s\n"
)
ROW = (
    "r{0},none,a100-sxm-80gb,512,8,ib-hdr-200g-x8,48,{1},64,64,128,32768,gelu,51200,2048,full,1536,4,8,2,1,1,32,false,0,full,fp16,1f1b,"
    "megatron-lm,14\n"
)


def table(rows):
    return HEADER + "".join(ROW.format(i, 8192 + 64 * (i % 16)) for i in range(rows))


FLOW = "\nsimulate: {network: flow}\n"
JITTER = "\nconditions: {jitter: {kernel: 2%}}\nsimulate: {samples: 1}\n"
studies = [
    ("flows", "GPUs", [16384, 131072] if quick else [16384, 131072, 1048576], lambda n: (llama(n, FLOW), "yaml", ["run"])),
    ("jitter", "GPUs", [4096, 16384] if quick else [2048, 16384, 131072], lambda n: (llama(n, JITTER), "yaml", ["run"])),
    ("validate", "rows", [10, 100] if quick else [10, 100, 1000], lambda n: (table(n), "csv", ["validate", "--quiet"])),
]


def slope(points):
    xs, ys = [math.log(p[0]) for p in points], [math.log(p[1]) for p in points]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys)) / sum((a - x) ** 2 for a in xs)


def svg(curves):
    """Seconds (left) and megabytes (right) over work, both axes by powers of ten."""
    width, height, gap = 430, 300, 60
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * (width + gap)}" height="{height + gap + 30}" font-family="sans-serif" font-size="12">']
    colours = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd"]
    for panel, (title, column) in enumerate([("CPU seconds", 1), ("resident MB", 2)]):
        left = panel * (width + gap) + gap
        values = [p[column] for _, _, points in curves for p in points]
        work = [p[0] for _, _, points in curves for p in points]
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        first, last = math.floor(math.log10(min(work))), math.ceil(math.log10(max(work)))
        x = lambda w: left + (math.log10(w) - first) / (last - first) * (width - gap)
        y = lambda v: 20 + height - (math.log10(v) - low) / max(1, high - low) * height
        parts.append(f'<text x="{left}" y="14">{title}</text>')
        for power in range(first, last + 1):
            parts.append(f'<path d="M{x(10**power):.1f} 20V{20 + height}" stroke="#ddd"/><text x="{x(10**power):.1f}" y="{height + 36}" text-anchor="middle">1e{power}</text>')
        for power in range(low, high + 1):
            parts.append(f'<path d="M{left} {y(10**power):.1f}H{left + width - gap}" stroke="#ddd"/><text x="{left - 6}" y="{y(10**power) + 4:.1f}" text-anchor="end">1e{power}</text>')
        for number, (name, unit, points) in enumerate(curves):
            line = " ".join(f"{x(p[0]):.1f},{y(p[column]):.1f}" for p in points)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colours[number]}" stroke-width="2"/>')
            parts.append(f'<text x="{left + 8}" y="{36 + 16 * number}" fill="{colours[number]}">{name} ({unit})</text>')
    return "\n".join(parts + ["</svg>\n"])


start, _ = run(["--version"])
lines = [
    "# Growth of time and memory",
    "",
    "Made by `make scale`: Llama 3 405B (scenarios/llama3-405b-16k.yaml) with more and more replicas, its communication as flows, and with each GPU's",
    "kernels jittered (2 %, one step); tables of measured runs. CPU seconds of the whole process, highest resident size.",
    "",
    "![time and memory over work](scale.svg)",
    "",
    "| study | work | CPU s | MB |",
    "|---|---|---|---|",
]
curves, exponents = [], []
with tempfile.TemporaryDirectory() as folder:
    for name, unit, sizes, make in studies:
        points = []
        for size in sizes:
            text, ending, command = make(size)
            path = os.path.join(folder, f"{name}-{size}.{ending}")
            with open(path, "w") as file:
                file.write(text)
            seconds, megabytes = run([*command[:1], path, *command[1:]])
            points.append((size, seconds, megabytes))
            lines.append(f"| {name} | {size:,} {unit} | {seconds:.2f} | {megabytes:.0f} |")
            print(lines[-1], flush=True)
        curves.append((name, unit, points))
        exponents.append((name, slope([(p[0], max(p[1] - start, 1e-3)) for p in points])))
lines += ["", "| study | exponent of time |", "|---|---|"] + [f"| {name} | {value:.2f} |" for name, value in exponents] + [""]
os.makedirs(os.path.join(root, "reports"), exist_ok=True)
with open(os.path.join(root, "reports/scale.md"), "w") as file:
    file.write("\n".join(lines))
with open(os.path.join(root, "reports/scale.svg"), "w") as file:
    file.write(svg(curves))
over = [f"{name} grows with the power {value:.2f}" for name, value in exponents if value > 1.1]
if over:
    raise SystemExit("; ".join(over) + ": more than 1.1")
