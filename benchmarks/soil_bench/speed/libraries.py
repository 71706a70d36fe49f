"""Compares libraries on the two products that SOIL needs: propagation and nearest neighbours.

Each library that is installed gives its answer, which must be the right one, and then all are timed
in turns. Those absent are named. The default run ends within 10 minutes on 2 cores. Finished cases
are stored and not measured again.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any, Literal

import torch
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from soil_bench.runs.results import machine_and_date, versions_and_code
from soil_bench.speed import neighbours, propagation
from soil_bench.speed.contest import Contest, Contestant, Part, versions_of
from soil_bench.speed.libraries_tables import draw_picture, print_tables
from soil_bench.speed.peak_memory import PeakMemory
from soil_bench.speed.store import Finished, code_of, options_of
from soil_pyg.models import SOIL
from soil_pyg.utils.device import resolve_device
from soil_pyg.utils.files import atomic_path, write_json
from soil_pyg.workflow.train import DEVICE_TYPES

WRONG = 1
USAGE_ERROR = 2
INTERRUPTED = 130
SECONDS = 5.0
FILES = ("contest.py", "neighbours.py", "peak_memory.py", "propagation*.py", "timing.py")
MEMORY = {
    "cpu": "peak of a process of its own above its inputs, preparation and result included",
    "cuda": "peak of torch's allocator above its inputs, preparation and result included",
}


def main(argv: list[str] | None = None) -> int:
    """Compares the libraries and returns the exit code.

    Args:
        argv (list[str], optional): The arguments of the command line. (default: :obj:`None`)
    """
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    argv = sys.argv[1:] if argv is None else argv
    try:
        arguments = parse(argv)
        device = resolve_device(arguments.device, "--device", DEVICE_TYPES).type
        out = Path(arguments.out)
        out.mkdir(parents=True, exist_ok=True)
        record = {"options": options_of(argv)} | compare(arguments, device)
        print_tables(record, console)
        write_json(out / "libraries.json", record)
        try:
            with atomic_path(out / "libraries.png") as temporary:
                temporary.write_bytes(draw_picture(record))
        except ImportError as error:
            errors.print(f"no picture: {error}; install matplotlib")
    except (argparse.ArgumentError, ValueError, OSError) as error:
        message = str(error.message if isinstance(error, argparse.ArgumentError) else error)
        message = message.replace('Parser key "', 'argument "--')
        errors.print(f"error: {message}\nAll options: run.py libraries --help")
        return USAGE_ERROR
    except KeyboardInterrupt:
        errors.print("Interrupted: the same command goes on where this one stopped.")
        return INTERRUPTED
    results = [result for case in record["cases"] for result in case["results"]]
    bad = [result for result in results if result["status"] != "ok"]
    for result in bad:
        errors.print(f"{result['status']}: {result['name']}: {result['reason']}")
    return WRONG if bad else 0


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments.

    Args:
        argv (list[str]): The arguments of the command line.

    Raises:
        argparse.ArgumentError: If an argument is unknown, abbreviated or of the wrong type.
    """
    parser = ArgumentParser(
        prog="run.py libraries", description=__doc__, allow_abbrev=False, exit_on_error=False
    )
    parser.add_argument("--out", default="results", help="the folder of the table and the picture")
    parser.add_argument("--device", type=Literal["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--rounds", type=PositiveInt, default=15, help="the most a library")
    parser.add_argument("--seed", type=NonNegativeInt, default=0)
    parser.add_argument("--quick", action="store_true", help="tiny inputs, to try it out")
    parser.add_argument("--only", type=Literal["propagation", "neighbours"], help="one half")
    parser.add_argument("--rerun", action="store_true", help="measure again what was measured")
    return parser.parse_args(argv)


def compare(arguments: Namespace, device: str) -> dict[str, Any]:
    """Runs all cases and returns their record.

    Args:
        arguments (Namespace): The arguments.
        device (str): :obj:`"cpu"` or :obj:`"cuda"`.
    """
    parts: dict[str, Part] = {"propagation": propagation, "neighbours": neighbours}
    chosen = {name: parts[name] for name in parts if arguments.only in (None, name)}
    specs = {n: part.QUICK_CASES if arguments.quick else part.CASES for n, part in chosen.items()}
    present, absent = _who_is_there(chosen, device)
    versions = versions_of({c.package for group in present.values() for c in group})
    versions |= versions_and_code(SOIL)
    identity = {
        "code": [versions.pop("code"), code_of(*FILES)],
        "versions": versions,
        "threads": torch.get_num_threads(),
        "device": device,
        "seed": arguments.seed,
        "rounds": arguments.rounds,
    }
    finished = Finished(Path(arguments.out, "libraries.jsonl"), arguments.rerun)
    cases, seconds = [], 0.0
    errors = Console(stderr=True, highlight=False, markup=False)
    columns = [TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()]
    # It is drawn between the measurements, not during them.
    progress = Progress(
        *columns,
        console=errors,
        transient=True,
        auto_refresh=False,
        disable=not errors.is_terminal,
    )
    with PeakMemory() as memory, progress:
        total = sum(len(specs[name]) * (len(present[name]) + 1) for name in chosen)
        step = progress.add_task("starting", total=total)

        def advance(text: str, steps: int = 1) -> None:
            progress.update(step, description=text, advance=steps, refresh=True)

        contest = Contest(memory, device, arguments.rounds, SECONDS, arguments.seed, advance)
        for name, part in chosen.items():
            for number, spec in enumerate(specs[name], start=1):
                text = f"[{number}/{len(specs[name])}] {name}: {spec.name}"
                case = {"part": name, **vars(spec)}
                names = [contestant.name for contestant in present[name]]
                key = {**identity, "case": case, "contestants": names}
                found = finished.get(key)
                if found is not None:
                    errors.print(f"{text}: measured before, not measured again", soft_wrap=True)
                    advance(text, len(names) + 1)
                else:
                    errors.print(text, soft_wrap=True)
                    found = _measure(contest, part, present[name], spec)
                    # Who failed or was wrong is asked again.
                    if all(result["status"] == "ok" for result in found["results"]):
                        finished.add(key, found, versions | machine_and_date())
                seconds += found["seconds"]
                cases.append({**case, "results": found["results"]})
    return {
        "versions": versions | machine_and_date(),
        "device": device,
        "seed": arguments.seed,
        "rounds": arguments.rounds,
        "seconds": seconds,
        "memory": MEMORY[device],
        "absent": absent,
        "cases": cases,
    }


def _who_is_there(
    parts: dict[str, Part], device: str
) -> tuple[dict[str, list[Contestant]], list[dict[str, str]]]:
    present: dict[str, list[Contestant]] = {name: [] for name in parts}
    absent = []
    for name, part in parts.items():
        for contestant in part.CONTESTANTS:
            reason = contestant.why_absent(device)
            if reason is None:
                present[name].append(contestant)
            else:
                absent.append({"part": name, "name": contestant.name, "reason": reason})
    return present, absent


def _measure(
    contest: Contest, part: Part, contestants: list[Contestant], spec: Any
) -> dict[str, Any]:
    start = time.monotonic()
    case = part.draw(spec, contest.seed, contest.device)
    results = contest.run(part, contestants, case)
    return {"results": results, "seconds": time.monotonic() - start}


if __name__ == "__main__":
    sys.exit(main())
