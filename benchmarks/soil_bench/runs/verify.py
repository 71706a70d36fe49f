"""Checks that the code still gives the results of finished runs, to the last digit.

Repeats the shortest finished run per model, by default on the built-in data with seed 0. If all
metrics are equal, both versions of the code give the same results: runs that one has finished are
not run again with the other. The evidence is stored in "same-results.json" among the records. Like
all runs, repeated ones are stored, and an interrupted command resumes where it stopped.
"""

import os
from itertools import combinations
from pathlib import Path

from jsonargparse.typing import NonNegativeInt
from rich.console import Console

from soil_bench.runs.arguments import add_out, make_console, make_parser, names_of, relative
from soil_bench.runs.equivalence import (
    EVIDENCE,
    Evidence,
    SameResults,
    read_evidence,
    write_evidence,
)
from soil_bench.runs.jobs import Job, Plan, make_jobs, run_jobs
from soil_bench.runs.results import Record, identity, read_records
from soil_bench.runs.run_job import load_data
from soil_bench.runs.tables import Report, print_report
from soil_pyg.workflow.options import ModelOptions

RESULTS = Path(__file__).parents[2] / "results.jsonl"


def main(argv: list[str]) -> int:
    """Repeats the runs, prints and stores the evidence, and returns the exit code."""
    parser = make_parser("verify", __doc__)
    parser.add_argument(
        "--models", help="names separated by commas; if not given, all models with such a run"
    )
    parser.add_argument(
        "--results", type=str, nargs="+", default=[relative(RESULTS)], help="files of finished runs"
    )
    parser.add_argument("--dataset", default="synthetic", help="data set of the runs")
    parser.add_argument("--seed", type=NonNegativeInt, default=0, help="seed of the runs")
    parser.add_argument("--root", default="data", help="folder of the data sets")
    add_out(parser, "results/verify", "repeated runs")
    parser.add_argument("--evidence", default=relative(EVIDENCE), help="file of the evidence")
    arguments = parser.parse_args(argv)
    # Sums depend on the number of threads. Runs in the published file have one.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    console = make_console()
    # Refuses wrong input before the runs.
    evidence = read_evidence(Path(arguments.evidence))
    load_data(arguments.dataset, arguments.root)
    stored = [(key, run) for path in arguments.results for key, run in read_all(Path(path))]
    candidates = [
        run
        for _, run in stored
        if (run["dataset"], run["seed"]) == (arguments.dataset, arguments.seed)
    ]
    names = dict.fromkeys(run["model"] for run in candidates)
    models = names_of(arguments.models) if arguments.models else list(names)
    plan = Plan(arguments.dataset, arguments.root, arguments.out, rerun=True)
    jobs = [job_of(shortest(candidates, model), plan) for model in models]
    run_jobs(jobs, console)
    finished = read_records(plan.results_file)
    repeated = [(job.key, finished[job.key]) for job in jobs if job.key in finished]
    known = SameResults(evidence)
    for entry in find_evidence(stored + repeated):
        if len({known.of(entry.model, code) for code in entry.codes}) > 1:
            evidence.append(entry)
            known.join(entry)
    write_evidence(evidence, Path(arguments.evidence))
    return report(models, stored, dict(repeated), known, console)


def read_all(path: Path) -> list[tuple[str, Record]]:
    """Returns the keys and the records of a file.

    Raises:
        ValueError: If there is no such file, or a line is not the record of a run.
    """
    if not path.is_file():
        raise ValueError(f"'--results' must be files of finished runs (got {path})")
    return list(read_records(path).items())


def shortest(candidates: list[Record], model: str) -> Record:
    """Returns the run of a model that took the least time.

    Raises:
        ValueError: If there is none.
    """
    runs = [run for run in candidates if run["model"] == model]
    if not runs:
        raise ValueError(f"'--models' must name models with a finished run (got '{model}')")
    return min(runs, key=lambda run: float(run["seconds"]["total"]))


def job_of(run: Record, plan: Plan) -> Job:
    """Returns the job that repeats a run with today's code.

    Raises:
        ValueError: If the data has changed, or a setting is invalid today.
    """
    selected, data = ModelOptions(run["model"]), load_data(plan.dataset, plan.root)
    if data.digest != run["data_digest"]:
        raise ValueError(f"'{plan.dataset}' is not the data of the finished runs: it has changed")
    settings = {name: value for name, value in run["settings"].items() if name != "device"}
    if set(settings) != set(selected.options):
        changed = sorted(set(settings) ^ set(selected.options))
        raise ValueError(f"model '{run['model']}' has other options than its runs: {changed}")
    return make_jobs(plan, data, selected, run["profile"], settings, run["seed"] + 1)[run["seed"]]


def find_evidence(runs: list[tuple[str, Record]]) -> list[Evidence]:
    """Returns the pairs of runs with the same settings, different code and equal metrics."""
    groups: dict[str, list[tuple[str, Record]]] = {}
    for key, run in runs:
        groups.setdefault(identity(run), []).append((key, run))
    found = []
    for group in groups.values():
        for (key, run), (_, other) in combinations(group, 2):
            codes = [run["versions"]["code"], other["versions"]["code"]]
            if codes[0] != codes[1] and is_equal(run, other):
                metrics = len(run["val"]) + len(run["test"])
                where = other["versions"].get("machine", ""), other["versions"].get("date", "")
                found.append(Evidence(run["model"], key, codes, metrics, *where))
    return found


def is_equal(run: Record, other: Record) -> bool:
    """Returns whether two runs have the same metrics to the last digit."""
    return all(run[split] == other[split] for split in ("val", "test"))


def report(
    models: list[str],
    stored: list[tuple[str, Record]],
    repeated: dict[str, Record],
    known: SameResults,
    console: Console,
) -> int:
    """Prints the stored runs that each repeated run equals, and returns the exit code."""
    rows, verified = [], set()
    for run in repeated.values():
        same = [(k, other) for k, other in stored if identity(other) == identity(run)]
        equal = [k for k, other in same if is_equal(run, other)]
        code = known.of(run["model"], run["versions"]["code"])
        if equal:
            verified.add(run["model"])
        cells = [run["model"], run["versions"]["code"], code, ", ".join(equal) or "none"]
        rows.append([*cells, f"{len(equal)} of {len(same)}"])
    columns = ["model", "code", "same results as", "equal runs", "number"]
    print_report(Report("Repeated runs", columns, rows), console)
    failed = [model for model in models if model not in verified]
    if failed:
        console.print(f"not verified: {', '.join(failed)}")
    return 1 if failed else 0
