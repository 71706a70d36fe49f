"""Recommendations of a random run by Ray: seconds and memory beside those of one process.

All users are ranked in blocks, and the rows are written to a folder. Each number of workers is
measured twice: as threads of one process, and as processes of Ray with one thread each. All rows
must be the same. Each measurement has processes of its own; finished ones are stored and not
repeated.
"""

from pathlib import Path

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

from soil_bench.runs.arguments import make_console, make_parser, require
from soil_bench.runs.results import Record
from soil_bench.runs.tables import Report, markdown, print_report, short
from soil_bench.speed.arguments import Size, add_measurement_arguments, check_memory
from soil_bench.speed.blocks_measure import PAIRS_PER_USER
from soil_bench.speed.measurement import Measurement
from soil_bench.speed.measurements import Measurements, options_of
from soil_pyg.cli.errors import FailureError
from soil_pyg.utils.engine import ENGINES
from soil_pyg.utils.files import write_json

MEASURE = "soil_bench.speed.blocks_measure"


def main(argv: list[str]) -> int:
    """Makes unfinished measurements, prints the table and returns the exit code."""
    arguments = parse(argv)
    console = make_console()
    out = Path(arguments.out)
    measurements = Measurements(out / "ray.jsonl", console, arguments.rerun)
    sizes = {name: int(arguments[name]) for name in ("users", "items", "channels")}
    run = Measurement(f"{MEASURE}:make_run", sizes, path=out / "work" / "run")
    given = {name: arguments[name] for name in ("k", "memory_budget")}
    rows = []
    for workers in sorted({int(number) for number in arguments.workers}):
        for engine in ENGINES:
            settings = {"engine": engine, "workers": workers, **given}
            measurement = Measurement(f"{MEASURE}:rank", settings, {"run": run})
            found = measurements.measure(measurement, sizes)
            if found is not None:
                rows.append({**settings, **found})
    record = {
        "options": options_of(argv),
        "versions": measurements.versions,
        **sizes,
        **given,
        "rows": rows,
    }
    if len({(row["rows"], row["digest"]) for row in rows}) > 1:
        raise FailureError("the recommendations differ: no record is written")
    write_json(out / "ray.json", record)
    print_report(blocks_report(record), console)
    return measurements.end(out / "work")


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults."""
    parser = make_parser("ray", __doc__)
    parser.add_argument("--users", type=Size, default=200_000, help="number of users")
    parser.add_argument("--items", type=Size, default=50_000, help="number of items")
    parser.add_argument("--channels", type=Size, default=64, help="dimension of the embeddings")
    parser.add_argument("--k", type=PositiveInt, default=20, help="number of items per user")
    parser.add_argument(
        "--memory-budget", type=PositiveInt, default=2**30, help="bytes per block of users"
    )
    parser.add_argument(
        "--workers", type=Size, nargs="+", default=[1, 2], help="numbers of workers"
    )
    add_measurement_arguments(parser)
    arguments = parser.parse_args(argv)
    nodes = arguments.users + arguments["items"]
    check_memory("--users, --items, --channels", "the embeddings", 4 * arguments.channels * nodes)
    require("ray", "the command", "ray")
    return arguments


def blocks_report(record: Record) -> Report:
    """Returns the table of a record."""
    alone = {row["engine"]: row["seconds"] for row in record["rows"] if row["workers"] == 1}
    rows = [
        [
            "one process" if row["engine"] == "local" else "Ray",
            str(row["workers"]),
            short(row["start_seconds"]),
            short(row["seconds"]),
            f"{alone[row['engine']] / row['seconds']:.2f}" if row["engine"] in alone else "",
            f"{row['peak_rss_mb']:,.0f}",
            f"{row['worker_mb']:,.0f}" if row["engine"] == "ray" else "",
            f"{row['total_mb']:,.0f}",
        ]
        for row in record["rows"]
    ]
    columns = [
        *("engine", "workers", "s to start", "s to rank", "speed-up"),
        *("MiB of the command", "MiB per worker", "MiB of all"),
    ]
    first = record["rows"][0] if rows else {"rows": 0, "blocks": 0}
    notes = [
        "All {rows:,} rows are the same, in {blocks} blocks.".format(**first),
        "k = {k}, random embeddings of {channels} channels, ".format(**record)
        + f"{PAIRS_PER_USER} seen items per user.",
        "Workers: threads of one process, or processes of Ray with one thread each.",
        "MiB: peaks. Of all: the sum over all processes, those of Ray included; pages that several "
        "share count once there, and in full in the other columns.",
    ]
    sizes = "{users:,} users, {items:,} items".format(**record)
    return Report(f"Recommendations by Ray, {sizes}", columns, rows, notes)


def blocks_lines(record: Record) -> list[str]:
    """Returns the lines of the page of a record."""
    return markdown(blocks_report(record))
