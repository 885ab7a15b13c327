"""PyTorch's times for the kernels that KernelsBench prints, one thread each, in turn with it; the ratio is PyTorch's time over ours.

Usage: compare_kernels.py PATH_OF_KernelsBench [rounds]
"""
import ctypes
import ctypes.util
import os
import subprocess
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(1)


def operands(name, s):
    """A function that makes the call once."""
    r = torch.randn
    if name.startswith("gemm"):
        m, n, k = s
        a = r(k, m).t() if name[5] == "t" else r(m, k)
        b = r(n, k).t() if name[6] == "t" else r(k, n)
        out = torch.empty(m, n)
        return lambda: torch.mm(a, b, out=out)
    if name.startswith("attention"):
        b, h, l, d = s[:4]
        qkv = r(b, l, 3, h, d, requires_grad=name.endswith("backward"))
        q, k, v = (qkv[:, :, i].transpose(1, 2) for i in range(3))
        if not name.endswith("backward"):
            return lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True)
        q, k, v = (t.detach().requires_grad_() for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        g = torch.randn_like(y)
        return lambda: torch.autograd.grad(y, (q, k, v), g, retain_graph=True)
    backward = name.endswith("_backward")
    base = name.removesuffix("_backward")
    if base in ("layernorm", "rmsnorm", "softmax"):
        rows, width = s
        x, w, c = r(rows, width, requires_grad=backward), r(width, requires_grad=backward), r(width, requires_grad=backward)
        run = {
            "layernorm": lambda: F.layer_norm(x, (width,), w, c, 1e-5),
            "rmsnorm": lambda: F.rms_norm(x, (width,), w, 1e-5),
            "softmax": lambda: F.softmax(x, -1),
        }[base]
        inputs = {"layernorm": (x, w, c), "rmsnorm": (x, w), "softmax": (x,)}[base]
    elif base in ("gelu", "relu", "silu", "tanh"):
        x = r(s[0], requires_grad=backward)
        run = {
            "gelu": lambda: F.gelu(x, approximate="tanh"),
            "relu": lambda: F.relu(x),
            "silu": lambda: F.silu(x),
            "tanh": lambda: torch.tanh(x),
        }[base]
        inputs = (x,)
    elif name == "cross_entropy":
        x, labels = r(*s, requires_grad=True), torch.randint(s[1], (s[0],))
        return lambda: torch.autograd.grad(F.cross_entropy(x, labels), x)
    elif name == "gather":
        table, i = r(s[2], s[1]), torch.randint(s[2], (s[0],))
        return lambda: F.embedding(i, table)
    elif name == "scatter_add":
        table, i, x = r(s[2], s[1]), torch.randint(s[2], (s[0],)), r(s[0], s[1])
        return lambda: table.index_add_(0, i, x)
    elif name == "im2col":
        x = r(s[0], s[3], s[1], s[2])
        return lambda: F.unfold(x, s[4], padding=s[5], stride=s[6])
    elif name in ("add", "copy"):
        x, y = r(s[0]), r(s[0])
        return lambda: y.add_(x) if name == "add" else y.copy_(x)
    elif name == "adamw":
        p = r(s[0], requires_grad=True)
        p.grad = r(s[0])
        return torch.optim.AdamW([p], lr=1e-6, fused=True).step
    else:
        return None
    if not backward:
        return run
    y = run()
    g = torch.randn_like(y)
    return lambda: torch.autograd.grad(y, inputs, g, retain_graph=True)


def direct(name, s):
    """OpenBLAS called without anything between, for products long enough that Python's own call does not count; else None."""
    library = ctypes.util.find_library("openblas")
    if not name.startswith("gemm") or not library or s[0] * s[1] * s[2] < 1e8:
        return None
    blas = ctypes.CDLL(library)
    blas.openblas_set_num_threads(1)
    m, n, k = s
    a, b, c = torch.randn(m * k), torch.randn(k * n), torch.empty(m * n)
    ta, tb = name[5] == "t", name[6] == "t"
    # Row-major 101; not transposed 111, transposed 112.
    arguments = [101, 112 if ta else 111, 112 if tb else 111, m, n, k, ctypes.c_float(1), ctypes.c_void_p(a.data_ptr()), m if ta else k]
    arguments += [ctypes.c_void_p(b.data_ptr()), k if tb else n, ctypes.c_float(0), ctypes.c_void_p(c.data_ptr()), n]
    return lambda operands=(a, b, c): blas.cblas_sgemm(*arguments)


def best(run):
    run()
    # Time on the processor, as ours: other programs share this machine.
    least, runs, end = 1e9, 0, time.process_time() + 0.15
    while runs < 8 or time.process_time() < end:
        start = time.process_time()
        run()
        least = min(least, time.process_time() - start)
        runs += 1
    return least * 1e3


def main():
    bench, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    ours, theirs, plain, notes = {}, {}, {}, []
    for _ in range(rounds):
        text = subprocess.run([bench], check=True, capture_output=True, text=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}).stdout
        notes = [line for line in text.splitlines() if line.startswith("#")]
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name, shape, ms = line.split()
            key = (name, shape)
            ours[key] = min(float(ms), ours.get(key, 1e9))
            if name == "gpt_step":
                continue
            sizes = [int(x) for x in shape.split("x")]
            run, blas = operands(name, sizes), direct(name, sizes)
            if blas:
                plain[key] = min(best(blas), plain.get(key, 1e9))
            if run:
                theirs[key] = min(best(run), theirs.get(key, 1e9))
    print("\n".join(notes))
    print(f"# PyTorch {torch.__version__}, {torch.get_num_threads()} thread; processor time, best of {rounds} rounds")
    print(f"{'kernel':20} {'shape':22} {'ours ms':>9} {'PyTorch':>9} {'ratio':>6}  OpenBLAS directly, ratio")
    for key, ms in ours.items():
        other = theirs.get(key)
        print(f"{key[0]:20} {key[1]:22} {ms:9.3f} " + (f"{other:9.3f} {other / ms:6.2f}" if other else "") + (f"  {plain[key]:9.3f} {plain[key] / ms:6.2f}" if key in plain else ""))


main()
