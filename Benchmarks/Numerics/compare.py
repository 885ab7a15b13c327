"""Our libraries beside NumPy and PyTorch, one thread each, in turn within one run: python compare.py path/to/NumericsBench [report.md]

Needs numpy and torch. Every time is the thread's CPU time, best of all rounds. Prints every figure, then what the project holds itself to.
"""
import subprocess, sys, time
import numpy as np
import torch

ROUNDS = 3
torch.set_num_threads(1)
rng = np.random.default_rng(1)
best = {}


def take(name, seconds, size):
    if name not in best or seconds < best[name][0]:
        best[name] = (seconds, size)


def measure(name, runs, size, body):
    body()
    for _ in range(runs):
        start = time.thread_time()
        body()
        take(name, time.thread_time() - start, size)


def ours(program):
    for line in subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines():
        name, seconds, size = line.split("\t")
        take(name, float(seconds), int(size))


def adam(label, n, runs):
    p = torch.nn.Parameter(torch.from_numpy(rng.standard_normal(n).astype(np.float32)))
    p.grad = torch.from_numpy(rng.standard_normal(n).astype(np.float32))
    optimizer = torch.optim.Adam([p], lr=1e-6, fused=True)
    measure(f"torch fused Adam, n = {label}", runs, 28 * n, optimizer.step)


def selection(exponent):
    n = 1 << exponent
    k = n // 20
    g = rng.standard_normal(n).astype(np.float32)
    e = np.zeros(n, np.float32)

    def feedback():
        nonlocal e
        a = g + e
        chosen = np.argpartition(np.abs(a), n - k)[n - k:]
        chosen.sort()
        values = a[chosen]
        a[chosen] = 0
        e = a
        return chosen, values

    measure(f"numpy argpartition, top 5% + error feedback, n = 2^{exponent}", 2, 4 * n, feedback)
    if exponent == 24:
        t = torch.from_numpy(g)
        measure("torch topk alone, n = 2^24", 1, 4 * n, lambda: torch.topk(t.abs(), k, sorted=False))
        measure("torch to float8_e4m3fn, n = 2^24", 2, 4 * n, lambda: t.to(torch.float8_e4m3fn))


for _ in range(ROUNDS):
    ours(sys.argv[1])
    adam("2^20", 1 << 20, 40)
    adam("3e7", 30_000_000, 6)
    for exponent in (20, 22, 24):
        selection(exponent)


def seconds(name):
    return best[name][0]


def speed(name):
    return best[name][1] / best[name][0] / 1e9


targets = [("AdamW step, share of memory bandwidth (28 bytes an element against the 12 of y += a x), n = 3e7",
            speed("AdamW step, n = 3e7") / speed("y += a x, n = 3e7"), 0.8, "")]
for label in ("2^20", "3e7"):
    targets.append((f"Adam step, PyTorch's fused time over ours, n = {label}",
                    seconds(f"torch fused Adam, n = {label}") / seconds(f"Adam step, n = {label}"), 1, "x"))
for exponent in (20, 22, 24):
    targets.append((f"top 5% with error feedback, NumPy's time over ours, n = 2^{exponent}",
                    seconds(f"numpy argpartition, top 5% + error feedback, n = 2^{exponent}")
                    / seconds(f"top 5% + error feedback + packed message, n = 2^{exponent}"), 10, "x"))
targets += [("E4M3 encode", speed("e4m3 encode, block 256, n = 2^24"), 2, "GB/s of fp32"),
            ("delta-packed positions, encode", speed("packed positions encode, 5% of 2^24"), 1, "GB/s of 4-byte positions"),
            ("delta-packed positions, decode", speed("packed positions decode, 5% of 2^24"), 1, "GB/s of 4-byte positions")]
lines = ["# Speed of Training and Compression", "",
         f"Made by `make -C Benchmarks/Numerics bench`: one thread, CPU time, best of {ROUNDS} rounds in turn with NumPy {np.__version__} and",
         f"PyTorch {torch.__version__} on the same core.", "", "| what | measured | wanted | |", "|---|---|---|---|"]
lines += [f"| {what} | {value:.2f} {unit} | {bound} | {'reached' if value >= bound else 'missed'} |" for what, value, bound, unit in targets]
lines += ["", "| figure | ms | GB/s |", "|---|---|---|"]
lines += [f"| {name} | {value[0] * 1e3:.3f} | {value[1] / value[0] / 1e9:.2f} |" for name, value in best.items()]
text = "\n".join(lines) + "\n"
print(text)
if len(sys.argv) > 2:
    with open(sys.argv[2], "w") as file:
        file.write(text)
