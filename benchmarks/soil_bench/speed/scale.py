"""Graphs and training of SOIL against the number of items, with two users an item.

The data is synthetic, about 8 training interactions a user. Up to a size whole epochs are trained;
above it a few steps of an epoch, and a few parts of one on partitions, stand for the rest, which is
labelled. Each measurement has a process of its own; finished ones are stored and not made again.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt
from rich.console import Console

from soil_bench.speed.inputs import graph_tasks
from soil_bench.speed.isolated import Task
from soil_bench.speed.scale_report import draw_picture, exponents, searches, table
from soil_bench.speed.store import Measurements, options_of
from soil_pyg.utils.device import resolve_device
from soil_pyg.utils.files import write_json
from soil_pyg.workflow.train import DEVICE_TYPES

SIZES = [10_000, 30_000, 100_000, 300_000, 1_000_000]
CHANNELS = {"image": 128, "text": 64}
USERS_PER_ITEM = 2
# Of the pairs drawn for a user about 8 are left for training.
DRAWN = 13.0
Result = dict[str, Any]


def main(argv: list[str]) -> int:
    """Measures what is not measured yet, prints the table and returns the exit code.

    Args:
        argv (list[str]): The arguments of the command line.
    """
    arguments = parse(argv)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    out = Path(arguments.out)
    measurements = Measurements(out / "scale.jsonl", console, arguments.rerun)
    results = [
        measure_size(num_items, arguments, measurements, out / "work")
        for num_items in sorted(set(arguments["items"]))
    ]
    report = {
        "options": options_of(argv),
        "versions": measurements.versions,
        "channels": dict(arguments.channels),
        "sizes": results,
        "exponents": exponents(results),
    }
    write_json(out / "scale.json", report)
    draw_picture(report, out / "scale.png")
    console.print(table(report), *searches(results), sep="\n")
    return measurements.end(out / "work")


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults.

    Args:
        argv (list[str]): The arguments of the command line.

    Raises:
        argparse.ArgumentError: If an argument is unknown, abbreviated or of the wrong type.
        ValueError: If there is no modality, or matplotlib is not installed.
    """
    parser = ArgumentParser(
        prog="run.py scale", description=__doc__, allow_abbrev=False, exit_on_error=False
    )
    parser.add_argument("--items", type=PositiveInt, nargs="+", default=SIZES, help="the sizes")
    parser.add_argument(
        "--channels",
        type=dict[str, PositiveInt],
        default=CHANNELS,
        help="the dimension of the features of each modality",
    )
    parser.add_argument(
        "--whole-up-to", type=NonNegativeInt, default=100_000, help="items for whole epochs"
    )
    parser.add_argument(
        "--steps", type=PositiveInt, default=20, help="the steps of an epoch above that"
    )
    parser.add_argument(
        "--part-users", type=PositiveInt, default=2_500, help="the users of a part of an epoch"
    )
    parser.add_argument("--parts", type=PositiveInt, default=2, help="how many parts to train on")
    parser.add_argument(
        "--naive-up-to", type=NonNegativeInt, default=10_000, help="items for the naive rendering"
    )
    parser.add_argument("--batch-size", type=PositiveInt, default=2048)
    parser.add_argument(
        "--device", type=Literal["auto", "cpu", "cuda"], default="cpu", help="where ours runs"
    )
    parser.add_argument("--out", default="results", help="the folder of the results")
    parser.add_argument("--rerun", action="store_true", help="measure again what was measured")
    arguments = parser.parse_args(argv)
    if not arguments.channels:
        raise ValueError("'--channels' must name at least one modality (got none)")
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError("the picture needs matplotlib: install it with pip")
    arguments.device = resolve_device(arguments.device, "--device", DEVICE_TYPES).type
    return arguments


def measure_size(
    num_items: int, arguments: Namespace, measurements: Measurements, work: Path
) -> Result:
    """Returns the measurements of one size by their names, without those that failed.

    Args:
        num_items (int): The number of items.
        arguments (Namespace): The arguments.
        measurements (Measurements): The finished ones.
        work (Path): The folder of the data and the graphs, as long as they are needed.
    """
    num_users = USERS_PER_ITEM * num_items
    settings = {
        "num_users": num_users,
        "num_items": num_items,
        "interactions_per_user": DRAWN,
        "modalities": dict(arguments.channels),
    }
    inputs, graphs, naive = graph_tasks(
        work, "soil_bench.speed.inputs:draw_synthetic", settings, arguments.device
    )
    is_whole = num_items <= arguments.whole_up_to
    batch = {"batch_size": arguments.batch_size}
    device = batch | {"device": arguments.device}
    steps = {"steps": None if is_whole else arguments.steps}
    parts = {"num_partitions": -(-num_users // arguments.part_users), "parts": arguments.parts}
    needs = {"graphs": graphs}
    tasks = {
        "graphs": graphs,
        "training": Task("soil_bench.speed.measured:train", device | steps, needs),
    }
    if not is_whole:
        tasks["sampled"] = Task("soil_bench.speed.measured:train_parts", device | parts, needs)
    if num_items <= arguments.naive_up_to:
        needs = {"inputs": inputs, "naive_graphs": naive}
        tasks["naive_graphs"] = naive
        tasks["naive_training"] = Task("soil_bench.speed.measured:epoch_naive", batch, needs)
    result: Result = {"items": num_items, "users": num_users}
    identity = {"items": num_items, "channels": dict(arguments.channels)}
    failed = len(measurements.failed)
    for name, task in tasks.items():
        found = measurements.get(task, identity, ("naive",) if "naive" in name else ("fast",))
        if found is not None:
            result[name] = found
    if len(measurements.failed) == failed:
        for task in (inputs, graphs, naive):
            if task.path is not None:
                task.path.unlink(missing_ok=True)
    return result
