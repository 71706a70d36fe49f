"""Seconds of training on the built-in data, alone and beside a process that keeps a core busy.

Threads that wait for each other may spin or sleep. Each way to wait is measured alone and beside
the busy process in turn, each time by a process of its own.
"""

from math import inf
from pathlib import Path
from statistics import median

from jsonargparse import Namespace

from soil_bench.runs.arguments import make_console, make_parser
from soil_bench.runs.results import Record
from soil_bench.runs.tables import Report, markdown, print_report
from soil_bench.speed.arguments import Size, add_measurement_arguments
from soil_bench.speed.busy_measure import WAYS
from soil_bench.speed.measurement import Measurement
from soil_bench.speed.measurements import Measurements, options_of
from soil_pyg.utils.files import write_json

MEASURE = "soil_bench.speed.busy_measure:train_beside"


def main(argv: list[str]) -> int:
    """Makes unfinished measurements, prints the table and returns the exit code."""
    arguments = parse(argv)
    console = make_console()
    out = Path(arguments.out)
    measurements = Measurements(out / "busy.jsonl", console, arguments.rerun)
    times: dict[str, dict[str, list[float | None]]] = {}
    for number in range(arguments.repeat):
        for way in WAYS:
            for is_busy in (False, True):
                settings = {"way": way, "is_busy": is_busy}
                settings |= {name: arguments[name] for name in ("epochs", "limit")}
                found = measurements.measure(Measurement(MEASURE, settings), {"repeat": number})
                if found is not None:
                    side = times.setdefault(way, {}).setdefault("busy" if is_busy else "alone", [])
                    side.append(found["seconds"])
    record = {
        "options": options_of(argv),
        "versions": measurements.versions,
        "epochs": arguments.epochs,
        "limit": arguments.limit,
        "rows": [{"way": way, **found} for way, found in times.items() if len(found) == 2],
    }
    write_json(out / "busy.json", record)
    print_report(busy_report(record), console)
    return measurements.end(out / "work")


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults."""
    parser = make_parser("busy", __doc__)
    parser.add_argument("--epochs", type=Size, default=6, help="number of epochs")
    parser.add_argument("--repeat", type=Size, default=3, help="number of times each is measured")
    parser.add_argument(
        "--limit", type=Size, default=60, help="seconds after which a training is ended"
    )
    add_measurement_arguments(parser)
    return parser.parse_args(argv)


def busy_report(record: Record) -> Report:
    """Returns the table of a record."""
    lines = []
    for row in record["rows"]:
        alone, busy = (_median(row[side]) for side in ("alone", "busy"))
        shown = [
            f"over {record['limit']}" if seconds == inf else f"{seconds:.1f}"
            for seconds in (alone, busy)
        ]
        ratio = "" if inf in (alone, busy) else f"{busy / alone:.1f}"
        lines.append([row["way"], *shown, ratio])
    columns = ["threads that wait", "s alone", "s beside a busy core", "ratio"]
    notes = ["Medians of the time of graphs and training."]
    return Report(f"{record['epochs']} epochs of SOIL on the built-in data", columns, lines, notes)


def busy_lines(record: Record) -> list[str]:
    """Returns the lines of the page of a record."""
    return markdown(busy_report(record))


def _median(seconds: list[float | None]) -> float:
    """Returns the median, infinite if at least half of the trainings were ended."""
    return median([inf if value is None else value for value in seconds])
