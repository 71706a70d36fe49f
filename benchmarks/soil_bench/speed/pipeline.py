"""Time and memory of SOIL from a table to recommendations, by the size of the data.

The table has a structure of clusters and is written block by block. The stages are: prepare the
table, build the graphs, take half of the steps and store a checkpoint, resume and take the other
half, and recommend to some users. The steps are the first batches of an epoch in partitions. Each
stage has a process of its own; finished ones are stored and not repeated.
"""

from pathlib import Path

from jsonargparse import Namespace

from soil_bench.runs.arguments import make_console, make_parser
from soil_bench.runs.results import Record
from soil_bench.runs.tables import Report, bullets, print_report, short, table
from soil_bench.speed.arguments import (
    Size,
    add_channels,
    add_data_sizes,
    add_measurement_arguments,
    add_part_users,
    check_channels,
    check_memory,
    check_pairs,
)
from soil_bench.speed.measurement import Measurement
from soil_bench.speed.measurements import Measurements, options_of
from soil_pyg.utils.files import write_json

CHANNELS = 64
"""The dimension of the embeddings."""
STAGES = "soil_bench.speed.pipeline_stages"
TITLES = {
    "prepare": "prepare",
    "graphs": "graphs",
    "checkpoint": "first half of the steps, checkpoint",
    "resume": "resume, second half, store the model",
    "recommend": "recommend",
}
"""The description of each stage by its name."""


def main(argv: list[str]) -> int:
    """Runs unfinished stages, prints the table and returns the exit code."""
    arguments = parse(argv)
    console = make_console()
    out = Path(arguments.out)
    measurements = Measurements(out / "pipeline.jsonl", console, arguments.rerun)
    identity = {name: arguments[name] for name in ("users", "items", "pairs", "channels")}
    stages: dict[str, Record] = {}
    for name, stage in stages_of(arguments, out / "work").items():
        found = measurements.measure(stage, identity | {"stage": name})
        if found is None:
            break
        stages[name] = found
    stages.pop("draw", None)
    record = {
        "options": options_of(argv),
        "versions": measurements.versions,
        **identity,
        "steps": arguments.steps,
        "recommended": arguments.recommended,
        "stages": stages,
    }
    write_json(out / "pipeline.json", record)
    print_report(pipeline_report(record), console)
    return measurements.end(out / "work")


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults."""
    parser = make_parser("pipeline", __doc__)
    add_data_sizes(parser, Size, users=500_000, items=50_000, pairs=4_000_000)
    add_channels(parser, {"image": 32})
    parser.add_argument("--steps", type=Size, default=10, help="number of steps, even")
    add_part_users(parser)
    parser.add_argument(
        "--recommended", type=Size, default=100_000, help="number of users to recommend to"
    )
    add_measurement_arguments(parser)
    arguments = parser.parse_args(argv)
    check_channels(arguments)
    check_pairs(arguments)
    nodes = arguments.users + arguments["items"]
    numbers = CHANNELS * nodes + sum(arguments.channels.values()) * arguments["items"]
    check_memory("--users, --items, --channels", "embeddings and features", 4 * numbers)
    for name, count in {"--part-users": "part_users", "--recommended": "recommended"}.items():
        if arguments[count] > arguments.users:
            raise ValueError(
                f"'{name}' must be at most the number of users, {arguments.users} "
                f"(got {arguments[count]})"
            )
    if arguments.steps % 2 == 1:
        raise ValueError(f"'--steps' must be even (got {arguments.steps})")
    return arguments


def stages_of(arguments: Namespace, work: Path) -> dict[str, Measurement]:
    """Returns the stages by their names, in order.

    Args:
        arguments (Namespace): The arguments.
        work (Path): The folder of the files that one stage writes for the next.
    """
    channels = {"channels": dict(arguments.channels)}
    sizes = {name: arguments[name] for name in ("users", "items", "pairs")}
    draw = Measurement(f"{STAGES}:draw", sizes | channels, path=work / "inputs")
    prepare = Measurement(f"{STAGES}:prepare", channels, {"inputs": draw}, work / "data")
    graphs = Measurement(f"{STAGES}:graphs", {}, {"data": prepare}, work / "graphs")
    steps = {
        "steps": arguments.steps // 2,
        "num_partitions": -(-arguments.users // arguments.part_users),
    }
    needs = {"graphs": graphs, "data": prepare}
    first, last = (
        Measurement(f"{STAGES}:train", {**steps, "is_last": is_last}, needs, work / "run")
        for is_last in (False, True)
    )
    count = {"users": arguments.recommended}
    recommend = Measurement(
        f"{STAGES}:recommend", count, {"run": last, "data": prepare}, work / "recommended.csv"
    )
    return {
        **{"draw": draw, "prepare": prepare, "graphs": graphs},
        **{"checkpoint": first, "resume": last, "recommend": recommend},
    }


def pipeline_report(record: Record) -> Report:
    """Returns the table of a record: seconds and peak memory of the process of each stage."""
    stages = record["stages"]
    rows = [
        [title, short(stages[name]["seconds"]), f"{stages[name]['peak_rss_mb'] / 1024:.2f}"]
        for name, title in TITLES.items()
        if name in stages
    ]
    sizes = "{users:,} users, {items:,} items, {pairs:,} pairs".format(**record)
    notes = [
        f"{record['steps']} steps; recommendations for {record['recommended']:,} users; GiB: the "
        "peak of the whole process, mapped files included."
    ]
    return Report(f"Pipeline, {sizes}", ["stage", "s", "GiB"], rows, notes)


def pipeline_lines(record: Record) -> list[str]:
    """Returns the lines of the page of a record."""
    report = pipeline_report(record)
    return [f"{report.title}:", "", *table(report.columns, report.rows), *bullets(report.notes)]
