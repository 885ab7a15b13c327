"""The same work by NumPy and PyTorch on one core, for the run that times ours. pip install numpy torch"""
import time
import numpy as np
import torch

torch.set_num_threads(1)


def best(runs, body):
    body()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    times.sort()
    return times[0], times[len(times) // 2]


def line(name, t):
    print(f"{name}: best {t[0] * 1e3:.3f} ms, median {t[1] * 1e3:.3f} ms")


rng = np.random.default_rng(1)
for exponent in (20, 22, 24):
    n = 1 << exponent
    k = n // 20
    g = rng.standard_normal(n).astype(np.float32)
    e = np.zeros(n, np.float32)

    def feedback():
        global e
        a = g + e
        chosen = np.argpartition(np.abs(a), n - k)[n - k:]
        chosen.sort()
        values = a[chosen]
        a[chosen] = 0
        e = a
        return chosen, values

    line(f"numpy argpartition, top 5% + error feedback, n = 2^{exponent}", best(7, feedback))
    line(f"numpy argpartition alone, n = 2^{exponent}", best(7, lambda: np.argpartition(np.abs(g), n - k)))
    t = torch.from_numpy(g)
    line(f"torch topk alone, n = 2^{exponent}", best(3, lambda: torch.topk(t.abs(), k, sorted=False)))
    line(f"torch to float8_e4m3fn, n = 2^{exponent}", best(5, lambda: t.to(torch.float8_e4m3fn)))
    p = torch.nn.Parameter(torch.from_numpy(g.copy()))
    p.grad = t.clone()
    optimizer = torch.optim.AdamW([p], lr=1e-6, fused=True)
    line(f"torch fused AdamW, n = 2^{exponent}", best(20 if exponent == 20 else 7, optimizer.step))
n = 30_000_000
g = rng.standard_normal(n).astype(np.float32)
p = torch.nn.Parameter(torch.from_numpy(g.copy()))
p.grad = torch.from_numpy(g)
optimizer = torch.optim.AdamW([p], lr=1e-6, fused=True)
line("torch fused AdamW, n = 3e7", best(7, optimizer.step))
