"""Compares libraries on the two operations that SOIL requires: propagation and nearest neighbours.

Every installed library answers first, and if its answer is right, all are timed in turns. Absent
libraries are listed. The default run ends within 10 minutes on 2 cores. Finished cases are stored
and not measured again.
"""

import time
from pathlib import Path
from typing import Any, Literal

import torch
from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from soil_bench.runs.arguments import Device, make_console, make_parser
from soil_bench.runs.environments import add_environments, install
from soil_bench.runs.results import Record, environment
from soil_bench.runs.tables import print_report
from soil_bench.speed import neighbours, propagation
from soil_bench.speed.arguments import add_measurement_arguments
from soil_bench.speed.contest import Contest, Contestant, Part, versions_of
from soil_bench.speed.guests import Guests
from soil_bench.speed.libraries_report import draw_picture, libraries_legend, libraries_reports
from soil_bench.speed.measurements import Measurements, code_of, options_of
from soil_bench.speed.peak_memory import PeakMemory
from soil_pyg.utils.device import resolve_device
from soil_pyg.utils.files import atomic_path, write_json
from soil_pyg.workflow.train import DEVICE_TYPES

WRONG = 1
SECONDS = 5.0
"""The time per task for all libraries together."""
FILES = (
    *("contest.py", "guests.py", "neighbours.py", "peak_memory.py", "product*.py"),
    *("propagation*.py", "timing.py"),
)
"""The files that decide the measurements."""
MEMORY = {
    "cpu": "peak of a separate process above its inputs, including preparation and result",
    "cuda": "peak of torch's allocator above its inputs, including preparation and result",
}
PARTS: dict[str, Part] = {"propagation": propagation, "neighbours": neighbours}


def main(argv: list[str]) -> int:
    """Compares the libraries and returns the exit code."""
    console = make_console()
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    arguments = parse(argv)
    device = resolve_device(arguments.device, "--device", DEVICE_TYPES).type
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    record: Record = {"options": options_of(argv)}
    record |= compare(arguments, device, errors)
    for report in libraries_reports(record):
        print_report(report, console)
    console.print(libraries_legend(record), "; ".join(environment([record])), sep="\n")
    write_json(out / "libraries.json", record)
    try:
        with atomic_path(out / "libraries.png") as temporary:
            temporary.write_bytes(draw_picture(record))
    except ImportError as error:
        errors.print(f"no picture: {error}; install matplotlib")
    results = [result for case in record["cases"] for result in case["results"]]
    bad = [result for result in results if result["status"] != "ok"]
    for result in bad:
        errors.print(f"{result['status']}: {result['name']}: {result['reason']}")
    return WRONG if bad else 0


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments."""
    parser = make_parser("libraries", __doc__)
    parser.add_argument("--device", type=Device, default="auto")
    parser.add_argument(
        "--rounds", type=PositiveInt, default=15, help="maximum number of timings per library"
    )
    parser.add_argument("--seed", type=NonNegativeInt, default=0)
    parser.add_argument("--quick", action="store_true", help="tiny inputs, to try it out")
    parser.add_argument("--only", type=Literal["propagation", "neighbours"], help="one part")
    add_environments(parser)
    add_measurement_arguments(parser)
    return parser.parse_args(argv)


def compare(arguments: Namespace, device: str, errors: Console) -> Record:
    """Runs all cases and returns their record.

    Args:
        arguments (Namespace): The arguments.
        device (str): :obj:`"cpu"` or :obj:`"cuda"`.
        errors (Console): The console for progress.
    """
    chosen = {name: PARTS[name] for name in PARTS if arguments.only in (None, name)}
    specs = {n: part.QUICK_CASES if arguments.quick else part.CASES for n, part in chosen.items()}
    environments = Path(arguments.environments)
    if arguments.install:
        contestants = [c for part in chosen.values() for c in part.CONTESTANTS]
        names = [c.environment for c in contestants if c.environment is not None]
        install(dict.fromkeys(names), environments, errors)
    present, absent = _who_is_there(chosen, device, environments)
    path = Path(arguments.out, "libraries.jsonl")
    measurements = Measurements(path, errors, arguments.rerun)
    here = [c for group in present.values() for c in group if c.environment is None]
    versions = versions_of({contestant.package for contestant in here})
    versions = measurements.versions = versions | measurements.versions
    decisive = {n: version for n, version in versions.items() if n not in ("machine", "date")}
    identity = {
        "code": [decisive.pop("code"), code_of(*FILES)],
        "versions": decisive,
        "threads": torch.get_num_threads(),
        "device": device,
        "seed": arguments.seed,
        "rounds": arguments.rounds,
    }
    cases, seconds = [], 0.0
    columns = [TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()]
    # Drawn only between measurements, which it would disturb.
    progress = Progress(
        *columns, console=errors, transient=True, auto_refresh=False, disable=not errors.is_terminal
    )
    with PeakMemory() as memory, Guests(environments) as guests, progress:
        total = sum(len(specs[name]) * (len(present[name]) + 1) for name in chosen)
        bar = progress.add_task("starting", total=total)

        def advance(text: str, steps: int = 1) -> None:
            progress.update(bar, description=text, advance=steps, refresh=True)

        contest = Contest(
            memory, guests, device, arguments.rounds, SECONDS, arguments.seed, advance
        )
        for name, part in chosen.items():
            for number, spec in enumerate(specs[name], start=1):
                text = f"[{number}/{len(specs[name])}] {name}: {spec.name}"
                case = {"part": name, **vars(spec)}
                names = [contestant.name for contestant in present[name]]
                key = {**identity, "case": case, "contestants": names}
                found = measurements.find(key)
                if found is not None:
                    errors.print(f"{text}: measured before, not measured again")
                    advance(text, len(names) + 1)
                else:
                    errors.print(text)
                    found = _measure(contest, part, present[name], spec)
                    # Libraries that failed or were wrong are measured again next time.
                    if all(result["status"] == "ok" for result in found["results"]):
                        measurements.add(key, found)
                seconds += found["seconds"]
                cases.append({**case, "results": found["results"]})
    return {
        "versions": {name: value for name, value in versions.items() if name != "code"},
        "device": device,
        "seed": arguments.seed,
        "rounds": arguments.rounds,
        "seconds": seconds,
        "memory": MEMORY[device],
        "absent": absent,
        "cases": cases,
    }


def _who_is_there(
    parts: dict[str, Part], device: str, environments: Path
) -> tuple[dict[str, list[Contestant]], list[dict[str, str]]]:
    present: dict[str, list[Contestant]] = {name: [] for name in parts}
    absent = []
    for name, part in parts.items():
        for contestant in part.CONTESTANTS:
            reason = contestant.why_absent(device, environments)
            if reason is None:
                present[name].append(contestant)
            else:
                absent.append({"part": name, "name": contestant.name, "reason": reason})
    return present, absent


def _measure(contest: Contest, part: Part, contestants: list[Contestant], spec: Any) -> Record:
    start = time.monotonic()
    case = part.draw(spec, contest.seed, contest.device)
    results = contest.run(part, contestants, case)
    return {"results": results, "seconds": time.monotonic() - start}
