"""Reference trajectories of the optimizers, written to optimizers.json.

    pip install numpy torch optax        # made with torch 2.13.0 (CPU), optax 0.2.8, jax 0.10.2, numpy 2
    python regenerate.py

SGD, Adam, AdamW and Adafactor come from PyTorch, Lion and LAMB from optax; Muon, 8-bit Adam and the two variants, which these do not
have in the form wanted (PyTorch's Muon iterates in bfloat16), are written below in NumPy from their published formulas.
Two problems on a 4 x 6 matrix x, gradient curvature * (x - target) + noise: "random" with curvature 0.5 ... 2 and noise 0.1, and
"ill" with curvature 1e-3 ... 1e3 (condition number 1e6) and no noise. All draws are SplitMix64, so that the test makes the same ones.
"""
import json, math, os
import numpy as np

os.environ["JAX_ENABLE_X64"] = "1"
import jax, optax, torch

ROWS, COLUMNS, STEPS, KEEP = 4, 6, 200, (1, 20, 200)
N = ROWS * COLUMNS
M64 = (1 << 64) - 1


def draws(seed, count):
    """Uniform in [-1, 1)."""
    out, state = [], seed
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & M64
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
        z ^= z >> 31
        out.append((z >> 11) * 2.0**-53 * 2 - 1)
    return np.array(out)


class Problem:
    def __init__(self, name, dtype):
        self.dtype = dtype
        self.start = draws(1, N).astype(dtype)
        self.target = draws(2, N).astype(dtype)
        if name == "random":
            self.curvature = (1.25 + 0.75 * draws(3, N)).astype(dtype)
            self.noise = (0.1 * draws(4, N * STEPS)).astype(dtype).reshape(STEPS, N)
        else:
            self.curvature = np.array([10.0 ** (-3 + 6 * i / (N - 1)) for i in range(N)]).astype(dtype)
            self.noise = np.zeros((STEPS, N), dtype)

    def gradient(self, x, step):
        return self.curvature * (x - self.target) + self.noise[step]


def by_torch(make):
    def run(problem):
        kind = torch.float64 if problem.dtype == np.float64 else torch.float32
        x = torch.nn.Parameter(torch.tensor(problem.start, dtype=kind).reshape(ROWS, COLUMNS))
        optimizer = make([x])
        for step in range(STEPS):
            x.grad = torch.tensor(problem.gradient(x.detach().numpy().reshape(-1), step), dtype=kind).reshape(ROWS, COLUMNS)
            optimizer.step()
            yield x.detach().numpy().reshape(-1).copy()
    return run


def by_optax(make):
    def run(problem):
        optimizer = make()
        x = jax.numpy.asarray(problem.start.reshape(ROWS, COLUMNS), dtype=problem.dtype)
        state = optimizer.init(x)
        update = jax.jit(optimizer.update)
        for step in range(STEPS):
            gradient = jax.numpy.asarray(problem.gradient(np.asarray(x).reshape(-1), step).reshape(ROWS, COLUMNS), dtype=problem.dtype)
            change, state = update(gradient, state, x)
            x = optax.apply_updates(x, change)
            yield np.asarray(x).reshape(-1).copy()
    return run


def muon(problem, rate=0.02, momentum=0.95, decay=0.1):
    x, b, t = problem.start.copy().reshape(ROWS, COLUMNS), np.zeros((ROWS, COLUMNS), problem.dtype), problem.dtype
    for step in range(STEPS):
        g = problem.gradient(x.reshape(-1), step).reshape(ROWS, COLUMNS)
        b = t(momentum) * b + t(1 - momentum) * g
        u = t(momentum) * b + t(1 - momentum) * g
        u = u / t(np.linalg.norm(u.astype(np.float64)) + 1e-7)
        for _ in range(5):
            a = u @ u.T
            u = t(3.4445) * u + (t(-4.7750) * a + t(2.0315) * (a @ a)) @ u
        x = t(1 - rate * decay) * x - t(rate * max(1, ROWS / COLUMNS) ** 0.5) * u
        yield x.reshape(-1).copy()


def levels(signed):
    """The dynamic data type of bitsandbytes, from its description in arXiv:2110.02861, section 1.3 and appendix."""
    values = [0.0, 1.0]
    for exponent in range(7):
        ends = np.linspace(0.1, 1, (1 << exponent if signed else 1 << (exponent + 1)) + 1)
        middles = (ends[1:] + ends[:-1]) / 2 * 10.0 ** (exponent - 6)
        values += list(middles) + (list(-middles) if signed else [])
    return np.sort(np.array(values)).astype(np.float32)


def adam8bit(problem, rate=0.01, b1=0.9, b2=0.999, eps=1e-8):
    f = np.float32
    tables = [levels(True), levels(False)]
    x, moments = problem.start.copy(), [np.zeros(N, f), np.zeros(N, f)]
    for step in range(STEPS):
        g = problem.gradient(x, step)
        moments[0] = f(b1) * moments[0] + f(1 - b1) * g
        moments[1] = f(b2) * moments[1] + f(1 - b2) * g * g
        c1, c2 = 1 - b1 ** (step + 1), 1 - b2 ** (step + 1)
        x = x - f(rate / c1) * moments[0] / (np.sqrt(moments[1]) * f(1 / math.sqrt(c2)) + f(eps))
        for k in range(2):
            top = max(np.abs(moments[k]).max(), np.finfo(f).tiny)
            scaled = moments[k] * (f(1) / top)
            moments[k] = tables[k][np.abs(scaled[:, None] - tables[k][None, :]).argmin(axis=1)] * top
        yield x.copy()


def variance_adaptive(problem, rate=1e-3):
    t = problem.dtype
    x, m = problem.start.copy(), np.zeros(N, problem.dtype)
    for step in range(STEPS):
        g = problem.gradient(x, step)
        wide = g.astype(np.float64)
        base = t(rate * (1 + 0.1 * math.log(1 + max(0, (wide * wide).mean() - wide.mean() ** 2))))
        update = -base / (1 + t(0.05) * np.abs(m)) * g
        x = x + update
        m = t(0.9) * m + t(0.1) * update
        yield x.copy()


def dynamic_betas(problem, rate=0.01, eps=1e-8):
    t = problem.dtype
    x, m, v = problem.start.copy(), np.zeros(N, t), np.zeros(N, t)
    product1 = product2 = 1.0
    for step in range(STEPS):
        g = problem.gradient(x, step)
        b1, b2 = 0.85 + 0.1 * step / STEPS, 0.99 + 0.009 * step / STEPS
        product1, product2 = product1 * b1, product2 * b2
        m = t(b1) * m + t(1 - b1) * g
        v = t(b2) * v + t(1 - b2) * g * g
        x = x - t(rate) * (m / t(1 - product1)) / (np.sqrt(v / t(1 - product2)) + t(eps))
        yield x.copy()


METHODS = {
    "sgd": by_torch(lambda p: torch.optim.SGD(p, lr=1e-3)),
    "sgd_momentum": by_torch(lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9, dampening=0.1, weight_decay=0.01)),
    "sgd_nesterov": by_torch(lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9, nesterov=True)),
    "adam": by_torch(lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.01)),
    "adamw": by_torch(lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1)),
    "adafactor": by_torch(lambda p: torch.optim.Adafactor(p, lr=0.01, weight_decay=0.01)),
    "lion": by_optax(lambda: optax.lion(1e-3, b1=0.9, b2=0.99, weight_decay=0.01)),
    # At a rate of 0.01 the ill-conditioned run is chaotic: optax against itself from a start changed by 1e-15 ends 1e-6 apart.
    "lamb": by_optax(lambda: optax.lamb(1e-3, weight_decay=0.01)),
    "muon": muon,
    "adam8bit": adam8bit,
    "variance_adaptive": variance_adaptive,
    "dynamic_betas": dynamic_betas,
}

if __name__ == "__main__":
    cases = []
    for method, run in METHODS.items():
        for problem in ("random", "ill"):
            for name, dtype in (("fp32", np.float32), ("fp64", np.float64)):
                if method == "adam8bit" and name == "fp64":
                    continue
                trajectory = list(run(Problem(problem, dtype)))
                cases.append({"method": method, "problem": problem, "precision": name,
                              "steps": {str(k): [float(v) for v in trajectory[k - 1]] for k in KEEP}})
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "optimizers.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
