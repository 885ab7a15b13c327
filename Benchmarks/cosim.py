"""Small models really trained under simulated clocks: what decides the claims about methods, whether DiLoCo's penalties have their published signs, and how
fast it goes. Runs the program on scenarios/cosim and writes reports/cosim/claims.md.

Usage: cosim.py ORRERY ROOT [--quick]. A loss is the mean over seeds; rates are tuned for each method unless they are stated.
"""

import json
import os
import resource
import subprocess
import sys

orrery, root = sys.argv[1:3]
quick = "--quick" in sys.argv
cosim = os.path.join(root, "scenarios/cosim")


def train(file, *settings, project=False):
    """The answers of `orrery train`, one for each point of the file, and the CPU seconds they took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    arguments = [orrery, "train", file, "--json", "--quiet"] + (["--project"] if project else [])
    for setting in settings + (("cosim.seeds=1", "cosim.tune={trials: 3, seeds: 1}", "cosim.steps=60") if quick else ()):
        arguments += ["--set", setting]
    process = subprocess.run(arguments, capture_output=True, text=True)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(arguments)} failed: {process.stderr}")
    answers = json.loads(process.stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    answers = answers if isinstance(answers, list) else [answers]
    return [answer["cosim"] for answer in answers], after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def scenario(name):
    return os.path.join(cosim, name + ".yaml")


def first(run, loss):
    """Seconds at which the mean curve, drawn straight between its points, comes down to `loss`; None where it never does."""
    points = list(zip(run["time_s"], run["loss"]))
    for (t0, a), (t1, b) in zip(points, points[1:]):
        if b <= loss:
            return t0 + (t1 - t0) * (a - loss) / (a - b) if a > b else t1
    return None


def at(run, seconds):
    """Loss of the mean curve at so many seconds."""
    points = list(zip(run["time_s"], run["loss"]))
    for (t0, a), (t1, b) in zip(points, points[1:]):
        if t1 >= seconds:
            return a + (b - a) * (seconds - t0) / (t1 - t0) if t1 > t0 else b
    return points[-1][1]


def number(value):
    return "-" if value is None else f"{value:.3g}"


lines = [
    "# Claims about methods, from small models under simulated clocks",
    "",
    "Made by `make cosim`. Measured losses of small models; nothing here predicts a large model's loss.",
    "",
]


def section(title, text, header, rows):
    lines.extend([f"## {title}", "", text, "", "| " + " | ".join(header) + " |", "|---" * len(header) + "|"])
    lines.extend("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)
    lines.append("")


# C04: utilisation, and loss at equal wall clock.
runs, _ = train(scenario("c04-asynchronous"))
end = min(run["time_s"][-1] for run in runs)
names = ["synchronous", "asynchronous", "asynchronous, past updates"]
rows = [(n, f"{100 * r['utilization']:.1f} %", number(at(r, end)), number(first(r, runs[0]["final_loss"])), number(r["tuned"]["rate"])) for n, r in zip(names, runs)]
ahead = [at(run, end) <= at(runs[0], end) for run in runs]
leads = [first(run, runs[0]["final_loss"]) for run in runs[1:]]
verdict = "holds" if ahead[2] and runs[2]["utilization"] >= 0.92 else "partly" if runs[2]["utilization"] >= 0.92 else "does not hold"
section(
    f"C04, asynchronous updates raise utilisation from 68 to 92 %: {verdict}",
    f"16 workers whose gradients vary by 25 %, {end:.0f} simulated seconds for each; what counts is the loss at equal wall clock. Break-even, where asynchronous training comes to synchronous training's last loss, without compensation and with: "
    + " and ".join("never in that time" if lead is None else f"after {100 * lead / runs[0]['time_s'][-1]:.0f} % of its time" for lead in leads)
    + ".",
    ["method", "utilisation", f"loss after {end:.0f} s", "seconds to synchronous training's last loss", "tuned rate"],
    rows,
)

# C01 and C34: samples to equal loss under the target's clock.
for name, title, names in [
    ("c01-compression", "C01, the largest 5 % in 8 bits: the loss", ["none", "e4m3", "top 5 % + e4m3"]),
    ("c34-adaptive-local-steps", "C34, adaptive local steps cut communication from 35 to 18 % at 99.2 % efficiency", ["every step", "share 18 %", "share 5 %"]),
]:
    runs, _ = train(scenario(name), project=True)
    rows = []
    for n, r in zip(names, runs):
        factor = r["steps_factor"]
        shown = "-" if factor is None else f"{factor['mean']:.3f} ({factor['p5']:.3f} to {factor['p95']:.3f})"
        rows.append((n, number(r["final_loss"]), shown, f"{100 * (1 - r['utilization']):.1f} %", f"{r['elapsed_s'] / runs[0]['elapsed_s']:.3f}", number(r["bytes_ratio"])))
    text = "Samples to equal loss over those of tuned synchronous training; efficiency is its inverse. "
    if name.startswith("c34"):
        factor, time = runs[1]["steps_factor"], runs[1]["elapsed_s"] / runs[0]["elapsed_s"]
        if factor:
            text += f"At a share of 18 % the efficiency is {100 / factor['mean']:.1f} %, and the time for as many samples {time:.3f} of synchronous training's: it pays as long as the factor stays below {1 / time:.2f}, its break-even."
            title += ": holds" if factor["mean"] < 1.008 else ": partly"
    else:
        worst = max((r["steps_factor"]["mean"] for r in runs if r["steps_factor"]), default=None)
        text += f"Compression takes at most {number(worst)} times the samples; what it does to the time on 128 GPUs is in the header of scenarios/cosim/c01-compression.yaml."
    section(title, text, ["method", "final loss", "samples factor (interval)", "time not computing", "time over the first", "bytes ratio"], rows)

# C13 and C45: phases of a curriculum.
for name, title, claimed in [
    ("c13-length-curriculum", "C13, short sequences for the first 30 % raise accuracy on long texts by 8 %", None),
    ("c45-progressive-sparsity", "C45, attention that grows sparser converges 22 % faster", 0.78),
]:
    runs, _ = train(scenario(name))
    plain, phased = runs
    loss = max(plain["final_loss"], phased["final_loss"])
    times = [first(plain, loss), first(phased, loss)]
    ratio = times[1] / times[0] if all(times) else None
    change = phased["final_loss"] / plain["final_loss"] - 1
    holds = (change < -0.08) if claimed is None else (ratio is not None and ratio <= claimed)
    partly = ratio is not None and ratio < 1
    section(
        title + (": holds" if holds else ": partly" if partly else ": does not hold"),
        f"Final loss {100 * change:+.1f} % after the same steps, in {phased['elapsed_s'] / plain['elapsed_s']:.3f} of the time; time to equal loss ({loss:.3f}): {number(ratio)} of plain training's. Break-even: it pays where this is below 1.",
        ["training", "final loss", "simulated seconds", "seconds to the same loss", "tuned rate"],
        [(n, number(r["final_loss"]), number(r["elapsed_s"]), number(t), number(r["tuned"]["rate"])) for n, r, t in zip(["plain", "in phases"], runs, times)],
    )

# DiLoCo: penalty over H, M and N at equal samples (arXiv:2311.08105, arXiv:2503.09799).
DILOCO = """
orrery: 1
name: diloco
training: {synchronization: %s}
cosim:
  task: {kind: markov-lm, vocabulary: 32}
  model: {kind: gpt, layers: %d, hidden: %d, heads: 2, sequence: 16}
  workers: %d
  batch: %d
  optimizer: adamw
  rate: {schedule: cosine, peak: 0.01, warmup: 20}
  steps: 400
  seeds: %d
"""
path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"orrery-diloco-{os.getpid()}.yaml")


def diloco(period, workers, layers=1, hidden=16):
    rule = "sync" if period == 0 else "{kind: local, steps: %d, outer: {rate: 0.7, momentum: 0.9}}" % period
    with open(path, "w") as file:
        file.write(DILOCO % (rule, layers, hidden, workers, 32 // workers, 1 if quick else 3))
    return train(path)[0][0]["final_loss"]


rows = []
for layers, hidden in [(1, 16), (1, 32)]:
    plain = diloco(0, 4, layers, hidden)
    cells = [f"{layers} x {hidden}", f"{plain:.4f}"]
    for workers, period in [(4, 10), (4, 40), (4, 100), (2, 40), (8, 40)]:
        cells.append(f"{100 * (diloco(period, workers, layers, hidden) / plain - 1):+.2f} %")
    rows.append(cells)
os.remove(path)
section(
    "DiLoCo's penalty",
    "Loss over that of synchronous training after as many samples (32 a step), inner AdamW of rate 0.01 with cosine decay, outer Nesterov 0.7 and 0.9. Published: it grows with the local steps H and the workers M, and shrinks with the model.",
    ["layers x width", "synchronous", "M 4, H 10", "M 4, H 40", "M 4, H 100", "M 2, H 40", "M 8, H 40"],
    rows,
)

os.makedirs(os.path.join(root, "reports/cosim"), exist_ok=True)
with open(os.path.join(root, "reports/cosim/claims.md"), "w") as file:
    file.write("\n".join(lines))
