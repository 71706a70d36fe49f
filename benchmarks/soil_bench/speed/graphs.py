"""Graphs, training steps and epochs of SOIL at Baby's size, beside the naive rendering of it.

The interactions are Baby's where its files are, else synthetic ones of its size; features are
synthetic. Each measurement has a process of its own; steps of both are timed turn by turn in one.
Finished measurements are stored and not made again.
"""

import sys
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ActionYesNo, ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt
from rich.console import Console

from soil_bench.speed.graphs_report import notes, rows, table, unequal
from soil_bench.speed.inputs import baby_size, graph_tasks
from soil_bench.speed.isolated import Task
from soil_bench.speed.store import Measurements, options_of
from soil_pyg.utils.device import resolve_device
from soil_pyg.utils.files import write_json
from soil_pyg.workflow.train import DEVICE_TYPES

CHANNELS = {"image": 4096, "text": 384}
Result = dict[str, Any]


def main(argv: list[str]) -> int:
    """Measures what is not measured yet, prints the table and returns the exit code.

    Args:
        argv (list[str]): The arguments of the command line.
    """
    arguments = parse(argv)
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    out = Path(arguments.out)
    measurements = Measurements(out / "graphs.jsonl", console, arguments.rerun)
    report = measure_all(arguments, measurements, out / "work")
    report["rows"] = rows(report)
    report["options"] = options_of(argv)
    name = "graphs" if arguments.device == "cpu" else f"graphs-{arguments.device}"
    write_json(out / f"{name}.json", report)
    console.print(table(report), *notes(report), sep="\n")
    measurements.failed += unequal(report)
    return measurements.end(out / "work")


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults.

    Args:
        argv (list[str]): The arguments of the command line.

    Raises:
        argparse.ArgumentError: If an argument is unknown, abbreviated or of the wrong type.
        ValueError: If there is no modality.
    """
    parser = ArgumentParser(
        prog="run.py graphs", description=__doc__, allow_abbrev=False, exit_on_error=False
    )
    parser.add_argument("--root", default="data", help="the folder that may hold that of baby")
    parser.add_argument(
        "--channels",
        type=dict[str, PositiveInt],
        default=CHANNELS,
        help="the dimension of the features of each modality",
    )
    parser.add_argument(
        "--naive",
        action=ActionYesNo(no_prefix="no-"),
        default=True,
        help="whether to measure the naive rendering, too",
    )
    parser.add_argument("--repeat", type=PositiveInt, default=5, help="how often to measure ours")
    parser.add_argument("--steps", type=PositiveInt, default=20, help="how many steps to time")
    parser.add_argument("--batch-size", type=PositiveInt, default=2048)
    parser.add_argument(
        "--device", type=Literal["auto", "cpu", "cuda"], default="cpu", help="where ours runs"
    )
    parser.add_argument("--out", default="results", help="the folder of the results")
    parser.add_argument("--rerun", action="store_true", help="measure again what was measured")
    arguments = parser.parse_args(argv)
    if not arguments.channels:
        raise ValueError("'--channels' must name at least one modality (got none)")
    arguments.device = resolve_device(arguments.device, "--device", DEVICE_TYPES).type
    return arguments


def measure_all(arguments: Namespace, measurements: Measurements, work: Path) -> Result:
    """Returns the results of all measurements, ours under the name of fast.

    Args:
        arguments (Namespace): The arguments.
        measurements (Measurements): The finished ones.
        work (Path): The folder of the data and the graphs, as long as they are needed.
    """
    function, settings = baby_size(arguments.root, dict(arguments.channels))
    inputs, fast, naive = graph_tasks(work, function, settings, arguments.device)
    data = {"data": function.rpartition("_")[2], "channels": dict(arguments.channels)}
    batch = {"batch_size": arguments.batch_size}
    device = batch | {"device": arguments.device}
    epoch = Task("soil_bench.speed.measured:epoch_fast", device, {"graphs": fast})
    turns = range(arguments.repeat)
    builds = [measurements.get(fast, data | {"turn": turn}) for turn in turns]
    epochs = [measurements.get(epoch, data | {"turn": turn}) for turn in turns]
    report: Result = {
        "data": data,
        "versions": measurements.versions,
        "fast": {"graphs": present(builds), "epoch": present(epochs)},
        "naive": {"graphs": [], "epoch": []},
    }
    steps = Task(
        "soil_bench.speed.measured:alternate_steps",
        device | {"steps": arguments.steps},
        {"graphs": fast},
    )
    sides: tuple[str, ...] = ("fast",)
    if arguments.naive:
        sides = ("fast", "naive")
        steps.needs["naive_graphs"] = naive
        epoch = Task(
            "soil_bench.speed.measured:epoch_naive",
            batch,
            {"inputs": inputs, "naive_graphs": naive},
        )
        check = Task(
            "soil_bench.speed.agreement:compare", {}, {"graphs": fast, "naive_graphs": naive}
        )
        report["naive"] = {
            "graphs": present([measurements.get(naive, data, ("naive",))]),
            "epoch": present([measurements.get(epoch, data, ("naive",))]),
        }
        report["difference"] = measurements.get(check, data, sides)
    timed = measurements.get(steps, data, sides) or {}
    for side in sides:
        report[side]["step"] = [{"seconds": seconds} for seconds in timed.get(side, [])]
    report["floor"] = timed.get("floor")
    profile = Task(
        "soil_bench.speed.measured:profile_steps",
        device | {"steps": arguments.steps},
        {"graphs": fast},
    )
    report["profile"] = measurements.get(profile, data)
    return report


def present(results: list[Result | None]) -> list[Result]:
    """Returns the measurements that did not fail."""
    return [result for result in results if result is not None]
