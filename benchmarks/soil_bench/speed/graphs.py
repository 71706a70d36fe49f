"""Graphs, training steps and epochs of SOIL at Baby's size, beside a naive implementation of it.

The interactions are those of Baby if its files exist, else synthetic ones of its size; features are
synthetic. Each measurement has a process of its own; steps of both are timed in turns in one.
Finished measurements are stored and not repeated.
"""

from pathlib import Path

from jsonargparse import ActionYesNo, Namespace

from soil_bench.runs.arguments import make_console, make_parser
from soil_bench.runs.results import Record
from soil_bench.runs.tables import print_report
from soil_bench.speed.arguments import Size, add_speed_arguments, check_memory, check_speed
from soil_bench.speed.graphs_report import graphs_report, rows, unequal
from soil_bench.speed.inputs import BABY_ITEMS, baby_size, graph_measurements
from soil_bench.speed.measurement import Measurement
from soil_bench.speed.measurements import Measurements, options_of
from soil_pyg.utils.files import write_json

CHANNELS = {"image": 4096, "text": 384}
WORKLOADS = "soil_bench.speed.workloads"


def main(argv: list[str]) -> int:
    """Makes unfinished measurements, prints the table and returns the exit code."""
    arguments = parse(argv)
    console = make_console()
    out = Path(arguments.out)
    measurements = Measurements(out / "graphs.jsonl", console, arguments.rerun)
    record = measure_all(arguments, measurements, out / "work")
    record["rows"] = rows(record)
    record["options"] = options_of(argv)
    name = "graphs" if arguments.device == "cpu" else f"graphs-{arguments.device}"
    write_json(out / f"{name}.json", record)
    print_report(graphs_report(record), console)
    measurements.failed += unequal(record)
    return measurements.end(out / "work")


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults."""
    parser = make_parser("graphs", __doc__)
    parser.add_argument("--root", default="data", help="folder that may hold the folder of baby")
    parser.add_argument(
        "--naive",
        action=ActionYesNo(no_prefix="no-"),
        default=True,
        help="whether to measure the naive implementation",
    )
    parser.add_argument("--repeat", type=Size, default=5, help="number of measurements of soil_pyg")
    add_speed_arguments(parser, CHANNELS)
    arguments = check_speed(parser.parse_args(argv))
    row = 4 * sum(arguments.channels.values())
    check_memory("--channels", "the features", BABY_ITEMS * row)
    return arguments


def measure_all(arguments: Namespace, measurements: Measurements, work: Path) -> Record:
    """Returns the results of all measurements, ours as :obj:`"fast"`.

    Args:
        arguments (Namespace): The arguments.
        measurements (Measurements): The finished measurements.
        work (Path): The folder of the data and the graphs until the end.
    """
    function, settings = baby_size(arguments.root, dict(arguments.channels))
    inputs, fast, naive = graph_measurements(work, function, settings, arguments.device)
    data = {"data": function.rpartition("_")[2], "channels": dict(arguments.channels)}
    batch = {"batch_size": arguments.batch_size}
    device = batch | {"device": arguments.device}
    epoch = Measurement(f"{WORKLOADS}:epoch_fast", device, {"graphs": fast})
    turns = range(arguments.repeat)
    builds = [measurements.measure(fast, data | {"turn": turn}) for turn in turns]
    epochs = [measurements.measure(epoch, data | {"turn": turn}) for turn in turns]
    record: Record = {
        "data": data,
        "versions": measurements.versions,
        "fast": {"graphs": present(builds), "epoch": present(epochs)},
        "naive": {"graphs": [], "epoch": []},
    }
    device |= {"steps": arguments.steps}
    steps = Measurement(f"{WORKLOADS}:alternate_steps", device, {"graphs": fast})
    sides: tuple[str, ...] = ("fast",)
    if arguments.naive:
        sides = ("fast", "naive")
        steps.needs["naive_graphs"] = naive
        needs = {"inputs": inputs, "naive_graphs": naive}
        epoch = Measurement(f"{WORKLOADS}:epoch_naive", batch, needs)
        needs = {"graphs": fast, "naive_graphs": naive}
        check = Measurement("soil_bench.speed.agreement:compare", {}, needs)
        record["naive"] = {
            "graphs": present([measurements.measure(naive, data, ("naive",))]),
            "epoch": present([measurements.measure(epoch, data, ("naive",))]),
        }
        record["difference"] = measurements.measure(check, data, sides)
    timed = measurements.measure(steps, data, sides) or {}
    for side in sides:
        record[side]["step"] = [{"seconds": seconds} for seconds in timed.get(side, [])]
    record["roofline"] = timed.get("roofline")
    profile = Measurement(f"{WORKLOADS}:profile_steps", device, {"graphs": fast})
    record["profile"] = measurements.measure(profile, data)
    return record


def present(results: list[Record | None]) -> list[Record]:
    """Returns the measurements that did not fail."""
    return [result for result in results if result is not None]
