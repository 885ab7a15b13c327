"""Orrery from Python: what a training job does on a cluster, before anybody rents it.

    import orrery
    job = {"model": {"preset": "llama3-8b"}, "cluster": {"gpu": "h100-sxm-80gb", "gpus": 64},
           "layout": {"zero": 3}, "training": {"global_batch": 1024, "sequence": 8192}}
    orrery.run(job).step_time_s
    orrery.sweep(job, {"cluster.gpus": [64, 128, 256]})[["cluster.gpus", "step.time_s", "step.mfu"]]

A scenario is a dict with the keys of a scenario file, or the path of one. Files that a dict names are sought from the working folder. Tables are
pandas DataFrames whose columns are the dotted keys of the program's JSON; seconds, bytes and dollars as the names say.
"""

from __future__ import annotations

import html
import json
import lzma
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence, Union

if TYPE_CHECKING:
    import pandas

__all__ = [
    "Problem", "Result", "ScenarioError", "Scenario", "catalogue", "compare", "export_launch", "import_launch", "quick", "run", "search", "sweep",
    "validate", "version",
]

Scenario = Union[Mapping[str, Any], str, "os.PathLike[str]"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it stands (line and column from 1, 0 where no place is known), the key, why, and what would be right."""

    text: str
    file: str = ""
    line: int = 0
    column: int = 0
    key: str = ""


class ScenarioError(ValueError):
    """A scenario, a table or an option is at fault; `problems` has each fault with its place."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.problems = [_problem(line) for line in message.splitlines() if line.strip()]


def _problem(line: str) -> Problem:
    match = re.match(r"(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?:(?P<key>[\w.\[\]-]+): )?(?P<text>.*)", line)
    if not match:
        return Problem(line)
    return Problem(match["text"], match["file"], int(match["line"]), int(match["column"]), match["key"] or "")


def _program() -> str:
    """$ORRERY, else the program inside the wheel, which is unpacked when it is first asked for: a third of the wheel's size is saved so."""
    if os.environ.get("ORRERY"):
        return os.environ["ORRERY"]
    packed = Path(__file__).parent / "bin" / "orrery.xz"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "orrery")
    places = [packed.parent / "orrery", cache / f"orrery-{packed.stat().st_size}-{int(packed.stat().st_mtime)}"]
    for place in places:
        if os.access(place, os.X_OK):
            return str(place)
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            # Whole or not at all, however many processes do it at once.
            with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
                file.write(lzma.decompress(packed.read_bytes()))
            os.chmod(file.name, 0o755)
            os.replace(file.name, place)
            return str(place)
        except OSError:
            continue
    raise RuntimeError(f"the program cannot be unpacked to {' or '.join(map(str, places))}; make one of them writable, or set ORRERY")


def _call(arguments: Sequence[str], accept: Sequence[int] = (0, 1)) -> str:
    done = subprocess.run([_program(), *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode in accept and (done.stdout or done.returncode == 0):
        return done.stdout
    if done.returncode in (1, 2):
        raise ScenarioError(done.stderr.strip() or done.stdout.strip())
    raise RuntimeError(f"orrery {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")


_PATHS = {"extends", "huggingface", "file", "measurements", "runs", "trace", "pace", "resize", "price", "distribution"}


def _absolute(value: Any, key: str = "") -> Any:
    """The value with files of the working folder by their whole paths, as the scenario is written elsewhere."""
    if isinstance(value, Mapping):
        return {str(k): _absolute(v, str(k)) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_absolute(v, key) for v in value]
    if isinstance(value, os.PathLike):
        return os.path.abspath(os.fspath(value))
    if isinstance(value, str) and key in _PATHS and os.path.exists(value):
        return os.path.abspath(value)
    return value


class _File:
    """A scenario as a file, for as long as the call takes."""

    def __init__(self, scenario: Scenario) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if isinstance(scenario, Mapping):
            self._folder = tempfile.TemporaryDirectory(prefix="orrery-")
            self.path = os.path.join(self._folder.name, "scenario.yaml")
            # JSON is YAML; one key a line, so that places mean something.
            Path(self.path).write_text(json.dumps(_absolute(scenario), indent=1), encoding="utf-8")
        else:
            self.path = os.fspath(scenario)

    def __enter__(self) -> str:
        return self.path

    def __exit__(self, *_: object) -> None:
        if self._folder:
            self._folder.cleanup()


def _settings(settings: Mapping[str, Any] | None) -> list[str]:
    return [f"--set={key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in (settings or {}).items()]


def _options(**options: Any) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value is not None]


class Result(Mapping[str, Any]):
    """What `orrery run --json` prints, as a mapping; the figures most asked for as properties. Jupyter shows the page of the report."""

    def __init__(self, document: Mapping[str, Any], page: str | None = None) -> None:
        self._document = dict(document)
        self._page = page

    def __getitem__(self, key: str) -> Any:
        return self._document[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._document)

    def __len__(self) -> int:
        return len(self._document)

    @property
    def step_time_s(self) -> float:
        """Seconds of a step, the mean where it varies."""
        value = self["step"]["time_s"]
        return float(value["mean"] if isinstance(value, Mapping) else value)

    @property
    def mfu(self) -> float:
        """Model FLOPs utilization, from 0 to 1."""
        value = self["step"]["mfu"]
        return float(value["mean"] if isinstance(value, Mapping) else value)

    @property
    def fits(self) -> bool:
        """Whether the job fits into the memory of its GPUs."""
        return bool(self["memory"]["fits"])

    @property
    def usd(self) -> float | None:
        """Dollars of the run, where prices and its length are known."""
        value = (self._document.get("bill") or {}).get("total_usd")
        return None if value is None else float(value["mean"] if isinstance(value, Mapping) else value)

    @property
    def warnings(self) -> list[str]:
        """What was assumed and matters."""
        return list(self._document.get("warnings", []))

    def frame(self) -> "pandas.DataFrame":
        """One row, a column for each figure by its dotted key."""
        return _frame([self._document])

    def __repr__(self) -> str:
        return f"<orrery.Result {self['scenario']}: step {self.step_time_s:.4g} s, MFU {self.mfu:.1%}{'' if self.fits else ', does not fit'}>"

    def _repr_html_(self) -> str:
        if self._page is None:
            return html.escape(repr(self))
        return f'<iframe srcdoc="{html.escape(self._page, quote=True)}" style="width: 100%; height: 900px; border: 0"></iframe>'


def _frame(rows: Sequence[Mapping[str, Any]]) -> "pandas.DataFrame":
    import pandas

    return pandas.json_normalize([dict(row) for row in rows])


def version() -> str:
    """Version of the program."""
    return _call(["--version"]).strip()


def run(
    scenario: Scenario, *, set: Mapping[str, Any] | None = None, seed: int | None = None, samples: int | None = None, jobs: int | None = None,
    page: bool = False,
) -> Result:
    """Predicts one scenario.

    set: settings laid over it, by dotted key. samples: Monte-Carlo runs of weeks with failures. page: also make the page that Jupyter shows.
    Raises ScenarioError. A job that does not fit is an answer (`fits`), not an error.
    """
    with _File(scenario) as path, tempfile.TemporaryDirectory(prefix="orrery-") as folder:
        report = ["--report", folder] if page else []
        text = _call(["run", path, "--json", "--quiet", *_settings(set), *_options(seed=seed, samples=samples, jobs=jobs), *report])
        made = Path(folder, "report.html")
        return Result(json.loads(text), made.read_text(encoding="utf-8") if page and made.exists() else None)


def compare(*scenarios: Scenario, set: Mapping[str, Any] | None = None, jobs: int | None = None) -> "pandas.DataFrame":
    """Predicts several scenarios, or all that one with `vary` holds: a row each. Raises ScenarioError."""
    files = [_File(scenario) for scenario in scenarios]
    try:
        document = json.loads(_call(["compare", *[file.path for file in files], "--json", "--quiet", *_settings(set), *_options(jobs=jobs)]))
    finally:
        for file in files:
            file.__exit__()
    return _frame(document if isinstance(document, list) else document.get("runs", document.get("results", [document])))


def sweep(
    scenario: Scenario, vary: Mapping[str, Sequence[Any]], *, set: Mapping[str, Any] | None = None, jobs: int | None = None
) -> "pandas.DataFrame":
    """Predicts every combination of values: a row each, the varied keys first. A combination that cannot be has its reason in `error`.

    Raises ScenarioError.
    """
    axes = [f"--vary={key}={','.join(v if isinstance(v, str) else json.dumps(v) for v in values)}" for key, values in vary.items()]
    with _File(scenario) as path:
        document = json.loads(_call(["sweep", path, *axes, "--json", "--quiet", *_settings(set), *_options(jobs=jobs)]))
    rows = []
    for entry in document["runs"]:
        row = dict(entry["point"])
        row.update(entry.get("result") or {})
        row.update({key: value for key, value in entry.items() if key not in ("point", "result")})
        rows.append(row)
    return _frame(rows)


def search(
    scenario: Scenario, *, objective: str = "time", time_budget: float | None = None, set: Mapping[str, Any] | None = None,
    jobs: int | None = None,
) -> "pandas.DataFrame":
    """The best layouts, best first: a row each, with `layout.*`, `training.*`, `step.*`, `memory.*` and `bill.*`.

    objective: time, cost, energy or pareto. time_budget: seconds after which the best so far is taken. Raises ScenarioError, also where nothing fits.
    """
    with _File(scenario) as path:
        arguments = ["search", path, "--json", "--quiet", *_settings(set), *_options(objective=objective, time_budget=time_budget, jobs=jobs)]
        return _frame(json.loads(_call(arguments, accept=(0,)))["ranked"])


def validate(*tables: Union[str, "os.PathLike[str]"], jobs: int | None = None) -> "pandas.DataFrame":
    """Predicts the runs of measured tables (CSV): a row each, measured and predicted. Raises ScenarioError."""
    return _frame(json.loads(_call(["validate", *map(os.fspath, tables), "--json", "--quiet", *_options(jobs=jobs)]))["rows"])


def quick(
    model: str, *, gpu: str, gpus: int, tokens: str | None = None, sequence: int | None = None, batch: int | None = None
) -> Result:
    """A model on so many GPUs, with the layout of a search. Raises ScenarioError."""
    options = _options(gpu=gpu, gpus=gpus, tokens=tokens, sequence=sequence, batch=batch)
    return Result(json.loads(_call(["quick", model, *options, "--json", "--quiet"])))


def import_launch(
    format: str, file: Union[str, "os.PathLike[str]"], *, gpu: str | None = None, gpus: int | None = None, model: str | None = None,
    sequence: int | None = None, batch: int | None = None,
) -> dict[str, Any]:
    """A launch file as a scenario: `scenario` (YAML), `flags` with what became of each, `assumed`. Nothing of it is run. Raises ScenarioError."""
    options = _options(gpu=gpu, gpus=gpus, model=model, sequence=sequence, batch=batch)
    document: dict[str, Any] = json.loads(_call(["import", format, os.fspath(file), "--json", "--quiet", *options]))
    return document


def export_launch(format: str, scenario: Scenario, *, set: Mapping[str, Any] | None = None, row: int | None = None) -> str:
    """A scenario, or the row-th layout of a search for it, as a launch file. Raises ScenarioError where the program does not offer it."""
    with _File(scenario) as path:
        return _call(["export", format, path, "--quiet", *_settings(set), *_options(row=row)])


def catalogue(section: str) -> "pandas.DataFrame":
    """gpus, links, nodes, clusters, models, frameworks, prices or failures: a row each. Raises ScenarioError."""
    return _frame(json.loads(_call(["catalogue", section, "--json"])))
