"""Graphs and training of SOIL by the number of items, with two users per item.

The data is synthetic, with about 8 training interactions per user. The features are those of a
mixture of clusters with a tail, of posters, where the data set is at hand, and of groups of eight
items; training is measured on the first of them. Up to a size, whole epochs are trained. Above it,
a few steps of an epoch, and a few partitions of one on partitions, are extrapolated, which is
noted. Each measurement has a process of its own; finished ones are stored and not repeated.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt

from soil_bench.runs.arguments import make_console, make_parser, require
from soil_bench.runs.results import Record
from soil_bench.runs.tables import print_report
from soil_bench.speed.arguments import (
    Size,
    add_part_users,
    add_speed_arguments,
    check_memory,
    check_speed,
)
from soil_bench.speed.inputs import graph_measurements
from soil_bench.speed.item_features import POSTERS, SOURCES, posters_file
from soil_bench.speed.measurement import Measurement
from soil_bench.speed.measurements import Measurements, options_of
from soil_bench.speed.scale_report import draw_picture, exponents, scale_reports
from soil_pyg.utils.files import write_json

SIZES = [10_000, 30_000, 100_000, 300_000, 1_000_000]
CHANNELS = {"image": 128, "text": 64}
USERS_PER_ITEM = 2
DRAWN = 13.0
"""The number of pairs to draw per user, for about 8 training interactions."""
DRAW = "soil_bench.speed.inputs:draw_structured"
WORKLOADS = "soil_bench.speed.workloads"
EPOCHS = "soil_bench.speed.epochs"


def main(argv: list[str]) -> int:
    """Makes unfinished measurements, prints the table and returns the exit code."""
    arguments = parse(argv)
    console = make_console(width=200)
    out = Path(arguments.out)
    measurements = Measurements(out / "scale.jsonl", console, arguments.rerun)
    sources = sources_of(arguments)
    results = [
        measure_size(num_items, source, arguments, measurements, out / "work", source == sources[0])
        for num_items in sorted(set(arguments["items"]))
        for source in sources
    ]
    record = {
        "options": options_of(argv),
        "versions": measurements.versions,
        "channels": dict(arguments.channels),
        "sizes": results,
        "exponents": exponents(results),
    }
    write_json(out / "scale.json", record)
    draw_picture(record, out / "scale.png")
    for report in scale_reports(record):
        print_report(report, console)
    return measurements.end(out / "work")


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults."""
    parser = make_parser("scale", __doc__)
    parser.add_argument("--items", type=Size, nargs="+", default=SIZES, help="the sizes")
    parser.add_argument(
        "--features", choices=SOURCES, nargs="+", default=[*SOURCES], help="sources of the features"
    )
    parser.add_argument("--root", default="data", help="folder of the data set of posters")
    parser.add_argument(
        "--whole-up-to",
        type=NonNegativeInt,
        default=100_000,
        help="maximum number of items for whole epochs; above it --steps are timed",
    )
    add_part_users(parser)
    parser.add_argument("--parts", type=Size, default=2, help="number of partitions to train on")
    parser.add_argument(
        "--naive-up-to",
        type=NonNegativeInt,
        default=10_000,
        help="maximum number of items for the naive implementation",
    )
    add_speed_arguments(parser, CHANNELS)
    arguments = check_speed(parser.parse_args(argv))
    require("matplotlib", "the picture")
    row = 4 * sum(arguments.channels.values())
    check_memory("--items, --channels", "the features", max(arguments["items"]) * row)
    return arguments


def sources_of(arguments: Namespace) -> list[str]:
    """Returns the sources of the features whose files are at hand, in order."""
    missing = [m for m in arguments.channels if posters_file(arguments.root, m) is None]
    return [name for name in dict.fromkeys(arguments.features) if name != POSTERS or not missing]


def data_settings(
    num_items: int, source: str, root: str, channels: Mapping[str, int]
) -> dict[str, Any]:
    """Returns the arguments of :data:`DRAW` for the data of a size.

    Args:
        num_items (int): The number of items.
        source (str): The source of the features.
        root (str): The folder that may hold the folder of the data set of posters.
        channels (dict[str, int]): The dimension of the features of each modality.
    """
    return {
        "source": source,
        "root": root,
        "num_users": USERS_PER_ITEM * num_items,
        "num_items": num_items,
        "interactions_per_user": DRAWN,
        "modalities": dict(channels),
    }


def measure_size(
    num_items: int,
    source: str,
    arguments: Namespace,
    measurements: Measurements,
    work: Path,
    with_training: bool,
) -> Record:
    """Returns the measurements of one size by their names, without failed ones.

    Args:
        num_items (int): The number of items.
        source (str): The source of the features.
        arguments (Namespace): The arguments.
        measurements (Measurements): The finished measurements.
        work (Path): The folder of the data and the graphs until the end.
        with_training (bool): Whether to measure training and the naive implementation as well.
    """
    settings = data_settings(num_items, source, arguments.root, arguments.channels)
    num_users = settings["num_users"]
    inputs, graphs, naive = graph_measurements(work, DRAW, settings, arguments.device)
    is_whole = num_items <= arguments.whole_up_to
    batch = {"batch_size": arguments.batch_size}
    device = batch | {"device": arguments.device}
    steps = {"steps": None if is_whole else arguments.steps}
    parts = {"num_partitions": -(-num_users // arguments.part_users), "parts": arguments.parts}
    needs = {"graphs": graphs}
    wanted = {"graphs": graphs}
    if with_training:
        wanted["training"] = Measurement(f"{EPOCHS}:train", device | steps, needs)
    if with_training and not is_whole:
        wanted["sampled"] = Measurement(f"{EPOCHS}:train_parts", device | parts, needs)
    if with_training and num_items <= arguments.naive_up_to:
        needs = {"inputs": inputs, "naive_graphs": naive}
        wanted["naive_graphs"] = naive
        wanted["naive_training"] = Measurement(f"{WORKLOADS}:epoch_naive", batch, needs)
    result: Record = {"items": num_items, "users": num_users, "source": source}
    identity = {"items": num_items, "source": source, "channels": dict(arguments.channels)}
    failed = len(measurements.failed)
    for name, measurement in wanted.items():
        found = measurements.measure(
            measurement, identity, ("naive",) if "naive" in name else ("fast",)
        )
        if found is not None:
            result[name] = found
    if len(measurements.failed) == failed:
        for measurement in (inputs, graphs, naive):
            if measurement.path is not None:
                measurement.path.unlink(missing_ok=True)
    return result
