"""Compares libraries on the two products that SOIL needs: propagation and nearest neighbours.

Each library that is installed gives its answer, which must be the right one, and then all are timed
in turns. Those absent are named. The default run ends within 10 minutes on 2 cores.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Literal

import torch
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import neighbours
import propagation
from contest import Contest, Contestant, Part, versions_of
from libraries_report import draw_picture, print_tables
from measurements import options_of
from peak_memory import PeakMemory
from results import machine_and_date
from soil_pyg.checkpoint import versions

WRONG = 1
USAGE_ERROR = 2
INTERRUPTED = 130
SECONDS = 5.0
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
        device = _device(arguments.device)
        out = Path(arguments.out)
        out.mkdir(parents=True, exist_ok=True)
        record = {"options": options_of(argv)} | compare(arguments, device)
        print_tables(record, console)
        _save(out / "libraries.json", json.dumps(record, indent=1, allow_nan=False).encode())
        try:
            _save(out / "libraries.png", draw_picture(record))
        except ImportError as error:
            errors.print(f"no picture: {error}; install matplotlib")
    except (argparse.ArgumentError, ValueError, OSError) as error:
        message = str(error.message if isinstance(error, argparse.ArgumentError) else error)
        message = message.replace('Parser key "', 'argument "--')
        errors.print(f"error: {message}\nAll options: run.py libraries --help")
        return USAGE_ERROR
    except KeyboardInterrupt:
        errors.print("Interrupted: nothing was written.")
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
    present: dict[str, list[Contestant]] = {name: [] for name in chosen}
    cases, absent = [], []
    for name, part in chosen.items():
        for contestant in part.CONTESTANTS:
            reason = contestant.why_absent(device)
            if reason is None:
                present[name].append(contestant)
            else:
                absent.append({"part": name, "name": contestant.name, "reason": reason})
    start = time.monotonic()
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

        def advance(text: str) -> None:
            progress.update(step, description=text, advance=1, refresh=True)

        contest = Contest(memory, device, arguments.rounds, SECONDS, arguments.seed, advance)
        for name, part in chosen.items():
            for number, spec in enumerate(specs[name], start=1):
                errors.print(f"[{number}/{len(specs[name])}] {name}: {spec.name}")
                case = part.draw(spec, arguments.seed, device)
                results = contest.run(part, present[name], case)
                cases.append({"part": name, **vars(spec), "results": results})
    packages = {c.package for contestants in present.values() for c in contestants}
    return {
        "versions": versions_of(packages) | versions() | machine_and_date(),
        "device": device,
        "seed": arguments.seed,
        "rounds": arguments.rounds,
        "seconds": time.monotonic() - start,
        "memory": MEMORY[device],
        "absent": absent,
        "cases": cases,
    }


def _device(name: str) -> str:
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("'--device' must be 'cpu' or 'auto' where there is no GPU (got 'cuda')")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _save(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


if __name__ == "__main__":
    sys.exit(main())
