"""References for what surrounds a step, written to steps.json: rate schedules, clipping, loss scaling, PowerSGD.

    pip install numpy torch optax        # made with torch 2.15.0 (CPU), optax 0.2.8, jax 0.10.2, numpy 2.4.6
    python regenerate_steps.py

Schedules come from optax and, where it has none, from the formula of the paper. Clipping by norm and by value comes from PyTorch, AGC from
optax, loss scaling from PyTorch's GradScaler; the running quantile (AutoClip) and PowerSGD (the arithmetic of PyTorch's powerSGD_hook, whose
random start cannot be set from outside) are written below in NumPy. Problems and draws are those of regenerate.py.
"""
import json, math, os
import numpy as np

from regenerate import COLUMNS, KEEP, N, ROWS, STEPS, Problem, draws
import jax, optax, torch

RATE, MOMENTUM = 1e-3, 0.9


def schedules():
    one = optax.linear_schedule
    made = {
        "cosine": optax.warmup_cosine_decay_schedule(1e-5, 3e-3, 20, STEPS, 3e-4),
        "linear": optax.join_schedules([one(1e-5, 3e-3, 20), one(3e-3, 3e-4, STEPS - 20)], [20]),
        "wsd": optax.join_schedules([one(0, 3e-3, 20), optax.constant_schedule(3e-3), one(3e-3, 3e-4, 50)], [20, 150]),
        # arXiv:1706.03762 section 5.3, scaled to its peak, and arXiv:2405.18392 equation 2.
        "inverse_sqrt": lambda t: 3e-3 * min(t / 20, math.sqrt(20 / max(1, t))),
        "wsd_sqrt": lambda t: 3e-3 * t / 20 if t < 20 else 3e-3 if t < 150 else 3e-4 + 2.7e-3 * (1 - math.sqrt((t - 150) / 50)),
    }
    return {name: [float(f(t)) for t in range(STEPS + 1)] for name, f in made.items()}


def descend(problem, prepare):
    """SGD with momentum along gradients that `prepare(x, step)` has dealt with."""
    kind = torch.float64 if problem.dtype == np.float64 else torch.float32
    x = torch.nn.Parameter(torch.tensor(problem.start, dtype=kind).reshape(ROWS, COLUMNS))
    optimizer = torch.optim.SGD([x], lr=RATE, momentum=MOMENTUM)
    for step in range(STEPS):
        x.grad = torch.tensor(problem.gradient(x.detach().numpy().reshape(-1), step), dtype=kind).reshape(ROWS, COLUMNS)
        prepare(x, optimizer)
        yield x.detach().numpy().reshape(-1).copy()


def clipping(problem):
    def norm(x, optimizer):
        torch.nn.utils.clip_grad_norm_([x], 0.5)
        optimizer.step()

    def value(x, optimizer):
        torch.nn.utils.clip_grad_value_([x], 0.25)
        optimizer.step()

    agc = optax.adaptive_grad_clip(0.05, eps=1e-3)

    def adaptive(x, optimizer):
        # optax's units are columns (inputs x outputs); rows here.
        g, _ = agc.update(jax.numpy.asarray(x.grad.numpy().T), agc.init(None), jax.numpy.asarray(x.detach().numpy().T))
        x.grad = torch.tensor(np.array(g).T.copy(), dtype=x.dtype)
        optimizer.step()

    past = []

    def quantile(x, optimizer):
        size = math.sqrt(float((x.grad.double() ** 2).sum()))
        if len(past) >= 4:
            x.grad *= min(1, float(np.quantile(past[-40:], 0.3)) / (size + 1e-6))
        past.append(size)
        optimizer.step()

    return {"norm": norm, "value": value, "agc": adaptive, "quantile": quantile}


def scaling(problem):
    """Overflow beyond fp16's range, without its rounding, which would make a step of 2^-11 out of a difference in the last bit."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20, growth_factor=2.0, backoff_factor=0.5, growth_interval=15)
    scales = []

    def prepare(x, optimizer):
        scaler.scale(torch.ones(()))  # fixes the device
        g = x.grad * scaler.get_scale()
        x.grad = torch.where(g.abs() > 65504, torch.full_like(g, math.inf), g)
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())

    path = list(descend(problem, prepare))
    return path, scales


def starting_basis(count, seed=0):
    """The library's own first Q: any other spans another subspace."""
    state, out, m = (seed * 0x9E3779B97F4A7C15 + 0x12345678) & (2**64 - 1), [], 2**64 - 1
    for _ in range(count):
        total = np.float32(-2)
        for _ in range(4):
            state = (state * 6364136223846793005 + 1442695040888963407) & m
            total = np.float32(total + np.float32(state >> 40) * np.float32(2.0**-24))
        out.append(total)
    return np.array(out, np.float64)


def orthogonalize(a):
    for i in range(a.shape[1]):
        a[:, i] /= np.linalg.norm(a[:, i])
        a[:, i + 1:] -= np.outer(a[:, i], a[:, i] @ a[:, i + 1:])


def power_sgd(name, feedback, workers=3, rows=8, columns=6, rank=2):
    """powerSGD_hook.py of PyTorch 2, in double precision: error feedback in, Q orthogonalised (warm start), P = M Q averaged and
    orthogonalised, Q = M^T P averaged, P Q^T out, M - P Q^T kept by each worker. With feedback and noise the order in which neglected
    directions take their turn is chaotic (this code against itself from a start changed by 1e-9 is 4e-3 apart after 200 steps, 1e-8 after
    20), so that this case is kept for 20 steps only."""
    n = rows * columns
    # A fixed part whose directions differ much in size, and noise of each worker; "ill": singular values over six decades.
    u, _ = np.linalg.qr(draws(11, rows * columns).reshape(rows, columns))
    v, _ = np.linalg.qr(draws(12, columns * columns).reshape(columns, columns))
    sizes = 2.0 ** -np.arange(columns) if name == "random" else 10.0 ** (-1.2 * np.arange(columns))
    fixed = np.array([np.float32(z) for z in ((u * sizes) @ v.T).reshape(-1)], np.float64).reshape(rows, columns)
    noise = np.float32(0.05 if name == "random" else 0)
    q = starting_basis(columns * rank).reshape(columns, rank)
    errors = [np.zeros((rows, columns)) for _ in range(workers)]
    kept, total = {}, np.zeros((rows, columns))
    for step in range(STEPS):
        matrices = []
        for worker in range(workers):
            g = fixed + (draws(1000 + 10 * step + worker, n).astype(np.float32) * noise).astype(np.float64).reshape(rows, columns)
            matrices.append(g + errors[worker])
        orthogonalize(q)
        p = sum(m @ q for m in matrices) / workers
        orthogonalize(p)
        q = sum(m.T @ p for m in matrices) / workers
        out = p @ q.T
        errors = [feedback * (m - out) for m in matrices]
        total += out
        if step + 1 in KEEP and not (noise and feedback and step > 20):
            kept[str(step + 1)] = total.reshape(-1).tolist()
    return {"problem": name, "feedback": bool(feedback), "rank": rank, "workers": workers, "rows": rows, "columns": columns,
            "fixed": fixed.reshape(-1).tolist(), "noise": float(noise), "sums": kept}


if __name__ == "__main__":
    cases = []
    for name in ("random", "ill"):
        for precision, dtype in (("fp32", np.float32), ("fp64", np.float64)):
            problem = Problem(name, dtype)
            for method, prepare in clipping(problem).items():
                path = list(descend(problem, prepare))
                cases.append({"method": method, "problem": name, "precision": precision,
                              "steps": {str(k): [float(v) for v in path[k - 1]] for k in KEEP}})
            path, scales = scaling(problem)
            cases.append({"method": "loss_scaling", "problem": name, "precision": precision,
                          "steps": {str(k): [float(v) for v in path[k - 1]] for k in KEEP},
                          "exponents": [int(math.log2(s)) for s in scales]})
    content = {"schedules": schedules(), "paths": cases, "powerSGD": [power_sgd(name, feedback) for name in ("random", "ill") for feedback in (0, 1)]}
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "steps.json"), "w") as file:
        json.dump(content, file, separators=(",", ":"))
        file.write("\n")
