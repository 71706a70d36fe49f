"""Seconds of an epoch of SOIL in partitions by the number of processes, with one thread each.

The data is synthetic, with about 8 training interactions per user. All numbers of processes take
the same steps, of several batches. The tables are whole on every process, or sharded by row.
Independent trainings at the same time, which exchange nothing, show how much of the speed-up the
machine allows. With --steps, the first steps of an epoch are measured and extrapolated. Each
measurement has processes of its own; finished ones are stored and not repeated.
"""

from pathlib import Path

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

from soil_bench.runs.arguments import make_console, make_parser
from soil_bench.runs.results import Record
from soil_bench.runs.tables import Report, bullets, print_report, short, table
from soil_bench.speed.arguments import add_measurement_arguments, add_part_users
from soil_bench.speed.measurement import Measurement
from soil_bench.speed.measurements import Measurements, options_of
from soil_pyg.utils.files import write_json

CHANNELS = {"image": 128, "text": 64}
USERS_PER_ITEM = 2
DRAWN = 13.0
"""The number of pairs to draw per user, for about 8 training interactions."""


def main(argv: list[str]) -> int:
    """Makes unfinished measurements, prints the table and returns the exit code."""
    arguments = parse(argv)
    console = make_console()
    out = Path(arguments.out)
    measurements = Measurements(out / "ranks.jsonl", console, arguments.rerun)
    num_users = USERS_PER_ITEM * arguments["items"]
    graphs = graph_measurement(num_users, arguments["items"], out / "work")
    num_partitions = -(-num_users // arguments.part_users)
    sizes = {"steps": arguments.steps, "num_partitions": num_partitions}
    sizes["batches_per_step"] = arguments.batches_per_step
    asked = sorted(set(arguments.ranks))
    tables = (False, True)
    calls = [
        *(("train", {"ranks": ranks, "sharded": s}) for ranks in asked for s in tables),
        *(("train_side_by_side", {"trainings": ranks, "sharded": False}) for ranks in asked[1:]),
    ]
    rows = []
    for worker, processes in calls:
        settings = {**processes, **sizes}
        function = f"soil_bench.speed.ranks_worker:{worker}"
        measurement = Measurement(function, settings, {"graphs": graphs})
        found = measurements.measure(measurement, {"items": arguments["items"]})
        if found is not None:
            rows.append({**settings, **found})
    record = {
        "options": options_of(argv),
        "versions": measurements.versions,
        "users": num_users,
        "items": arguments["items"],
        "rows": rows,
    }
    write_json(out / "ranks.json", record)
    print_report(ranks_report(record), console)
    return measurements.end(out / "work")


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults."""
    parser = make_parser("ranks", __doc__)
    parser.add_argument("--items", type=PositiveInt, default=100_000, help="number of items")
    parser.add_argument(
        "--ranks", type=PositiveInt, nargs="+", default=[1, 2], help="numbers of processes"
    )
    parser.add_argument(
        "--batches-per-step",
        type=PositiveInt,
        default=4,
        help="batches per step, whatever the number of processes, so that all take the same steps",
    )
    add_part_users(parser)
    parser.add_argument(
        "--steps", type=PositiveInt | None, default=None, help="number of steps (default: an epoch)"
    )
    add_measurement_arguments(parser)
    arguments = parser.parse_args(argv)
    size = arguments.batches_per_step
    if wrong := [ranks for ranks in arguments.ranks if size % ranks > 0]:
        raise ValueError(f"'--ranks' must divide the {size} batches per step (got {wrong[0]})")
    if USERS_PER_ITEM * arguments["items"] < size * arguments.part_users:
        most = USERS_PER_ITEM * arguments["items"] // size
        raise ValueError(
            f"'--part-users' must be at most {most} for {size} partitions "
            f"(got {arguments.part_users})"
        )
    return arguments


def graph_measurement(num_users: int, num_items: int, work: Path) -> Measurement:
    """Returns the measurement that builds the graphs."""
    options = {"num_users": num_users, "num_items": num_items, "modalities": CHANNELS}
    sizes = {**options, "interactions_per_user": DRAWN}
    draw = Measurement("soil_bench.speed.inputs:draw_synthetic", sizes, path=work / "inputs")
    build = "soil_bench.speed.workloads:build_fast"
    return Measurement(build, {"device": "cpu"}, {"inputs": draw}, work / "graphs")


def ranks_report(record: Record) -> Report:
    """Returns the table of a record."""
    joint = [row for row in record["rows"] if "ranks" in row]
    alone = {row["sharded"]: row["epoch_seconds"] for row in joint if row["ranks"] == 1}
    rows = [
        [
            str(row["ranks"]),
            "sharded" if row["sharded"] else "whole",
            short(row["epoch_seconds"]) + ("*" if row["extrapolated"] else ""),
            short(row["epoch_processor_seconds"]),
            f"{alone[row['sharded']] / row['epoch_seconds']:.2f}" if alone else "",
            f"{row['bytes_per_step'] / 1e6:.2f}",
        ]
        for row in joint
    ]
    columns = ["processes", "tables", "s per epoch", "s of a processor", "speed-up", "MB per step"]
    notes = [
        "One thread per process; s of a processor: the processor time of the process "
        "that uses the most, polling included; MB per step: sent by a process."
    ]
    for row in record["rows"]:
        if alone and "trainings" in row:
            slower = row["epoch_seconds"] / alone[row["sharded"]]
            notes.append(
                f"{row['trainings']} independent trainings at the same time, which exchange "
                f"nothing, take {slower:.2f} times as long as one: this machine allows a speed-up "
                f"of {row['trainings'] / slower:.2f}."
            )
    if any(row["extrapolated"] for row in record["rows"]):
        notes.append("* Extrapolated from the first steps; the work before them counts once.")
    sizes = "{users:,} users, {items:,} items".format(**record)
    sizes += f", {joint[0]['batches_per_step']} batches per step"
    return Report(f"Epochs in partitions, {sizes}", columns, rows, notes)


def ranks_lines(record: Record) -> list[str]:
    """Returns the lines of the page of a record."""
    report = ranks_report(record)
    return [f"{report.title}:", "", *table(report.columns, report.rows), *bullets(report.notes)]
