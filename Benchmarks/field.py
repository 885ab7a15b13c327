"""Runs that people reported in public, predicted: fit or out of memory, pace and memory of each. Writes reports/field.md.

    python3 Benchmarks/field.py .build/release/orrery .

Reads reports/field/runs.yaml: a list whose keys stand one a line, the scenario as a flow mapping, so that no YAML library is needed.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

UNITS = {"GB": 1e9, "GiB": 2**30}


def runs(path):
    found = []
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("- "):
            found.append({})
        key, _, value = line[2:].partition(": ")
        found[-1][key] = value
    return found


def predict(orrery, scenario):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(scenario)
        file.flush()
        outcome = subprocess.run([orrery, "run", file.name, "--json", "--quiet"], capture_output=True, text=True)
    if outcome.returncode > 1:
        return None, outcome.stderr.strip().splitlines()[0].split(": ", 1)[-1]
    return json.loads(outcome.stdout), None


def mean(value):
    return value["mean"] if isinstance(value, dict) else value


def error(predicted, reported):
    return 100 * (predicted / reported - 1)


def main():
    orrery, root = sys.argv[1], pathlib.Path(sys.argv[2])
    rows, paces, memories, verdicts, refused = [], [], [], [], 0
    for run in runs(root / "reports/field/runs.yaml"):
        answer, reason = predict(orrery, run["scenario"])
        note = run.get("assumed", "")
        if answer is None:
            refused += 1
            rows.append([run["source"], run["what"], "", "", "refused: " + reason])
            continue
        fits = answer["memory"]["fits"]
        reported = run["fits"] == "true"
        verdicts.append(fits == reported)
        word = {True: "fits", False: "out of memory"}
        verdict = word[fits] if fits == reported else f"**{word[fits]}**, reported: {word[reported]}"
        pace = ""
        for key, path in [("tokens", "tokens_per_s_per_gpu"), ("tflops", "model_tflops_per_gpu")]:
            if key in run:
                predicted = mean(answer["step"][path])
                paces.append(error(predicted, float(run[key])))
                pace = f"{predicted:.4g} for {run[key]} {'TFLOP/s' if key == 'tflops' else 'tokens/s'} ({paces[-1]:+.0f} %)"
        memory = ""
        if "memory" in run:
            number, unit = run["memory"].split()
            stage = max(answer["memory"]["by_stage"], key=lambda stage: stage["total"])
            outside = stage["fragmentation"] if run.get("counts") == "allocated" else 0
            predicted = (stage["total"] - outside) / UNITS[unit]
            memories.append(error(predicted, float(number)))
            memory = f"{predicted:.1f} for {number} {unit} ({memories[-1]:+.0f} %)"
        rows.append([run["source"], run["what"] + (f"; assumed: {note}" if note else ""), verdict, pace, memory])

    def summary(errors):
        sizes = [abs(one) for one in errors]
        return f"median {statistics.median(sizes):.1f} %, {sum(size <= 10 for size in sizes)} of {len(sizes)} within 10 %, worst {max(sizes):.0f} %"

    text = [
        "# Runs that people reported in public",
        "",
        "Made by `make field` from [runs.yaml](field/runs.yaml), where each scenario stands whole. Memory is what a device gives up (context and fragmentation",
        "too), or what its allocator hands out where the report is known to count that.",
        "",
        f"- Fit or out of memory: right in {sum(verdicts)} of {len(verdicts)}; {refused} refused.",
        f"- Pace: {summary(paces)}.",
        f"- Memory: {summary(memories)}.",
        "",
        "| source | run | fits | pace a GPU | memory |",
        "|---|---|---|---|---|",
    ]
    text += ["| " + " | ".join(row) + " |" for row in rows]
    (root / "reports/field.md").write_text("\n".join(text) + "\n")
    print("\n".join(text[5:9]))


main()
