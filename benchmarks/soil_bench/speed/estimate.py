"""Memory, network and hours of training SOIL on several machines, estimated from constants that are
measured on this one.

Users are divided among the processes, with their pairs; the rows of items are sharded. A sample
with the proportions of the data is prepared and trained in partitions, on one thread. Its constants
per user, pair and row are multiplied up. Finished measurements are stored and not repeated.
"""

from pathlib import Path

from jsonargparse import Namespace
from jsonargparse.typing import restricted_number_type

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
COPIES = 4
"""The copies of a table: its values, two moments of Adam and the best values so far."""
PAIR_BYTES = 32
"""Per pair: both directions of the graph, 8 bytes each, and the triplets of the loader."""
EDGE_BYTES = 8
CODE_BYTES = 64
"""Per item and modality: a vector of an index for the search of neighbours."""
ITEM_BYTES = 64
"""Per item and process: the places of items in a partition and the totals of the graphs."""
ROW_BYTES = 2 * (4 * CHANNELS + 8)
"""Per row of a batch from another machine: values and gradient, each with its number."""
GIBIBYTE, GIGABYTE, GIGABIT = 2**30, 10**9, 10**9 / 8
HOUR = 3600
STAGES, CONSTANTS = "soil_bench.speed.pipeline_stages", "soil_bench.speed.estimate_constants"
Amount = restricted_number_type("Amount", float, [(">=", 1), ("<=", 1e12)])
"""A number of users, items or pairs, which may be written as 1e8."""


def main(argv: list[str]) -> int:
    """Makes unfinished measurements, prints the estimate and returns the exit code."""
    arguments = parse(argv)
    console = make_console()
    out = Path(arguments.out)
    measurements = Measurements(out / "estimate.jsonl", console, arguments.rerun)
    found: dict[str, Record] = {}
    for name, stage in stages_of(arguments, out / "work").items():
        result = measurements.measure(stage, {"stage": name})
        if result is None:
            return measurements.end(out / "work")
        found[name] = result
    size = {name: arguments[name] for name in ("users", "items", "pairs", "machines", "cores")}
    record = {
        "options": options_of(argv),
        "versions": measurements.versions,
        **size,
        "gbit": arguments.gbit,
        "channels": arguments.channels,
        "constants": constants_of(found),
    }
    record["estimate"] = estimate(record)
    write_json(out / "estimate.json", record)
    print_report(estimate_report(record), console)
    return measurements.end(out / "work")


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults."""
    parser = make_parser("estimate", __doc__)
    add_data_sizes(parser, Amount, users=1e8, items=1e7, pairs=8e8)
    parser.add_argument("--machines", type=Size, default=16, help="number of machines")
    parser.add_argument("--cores", type=Size, default=16, help="processes per machine")
    parser.add_argument("--gbit", type=Size, default=10, help="network of a machine in Gbit/s")
    add_channels(parser, {"image": 32})
    parser.add_argument(
        "--sample-items",
        type=Size,
        default=40_000,
        help="items of the sample; more than 32,768 are searched by an index, as in the estimate",
    )
    add_part_users(parser)
    add_measurement_arguments(parser)
    arguments = parser.parse_args(argv)
    check_channels(arguments)
    check_pairs(arguments)
    items = arguments.sample_items
    numbers = sum(arguments.channels.values()) * items
    numbers += CHANNELS * (_sample_users(arguments) + items)
    check_memory("--sample-items, --channels", "features and embeddings", 4 * numbers)
    return arguments


def stages_of(arguments: Namespace, work: Path) -> dict[str, Measurement]:
    """Returns the measurements on a sample with the proportions of the data."""
    items = arguments.sample_items
    users = _sample_users(arguments)
    pairs = round(users * arguments.pairs / arguments.users)
    channels = {"channels": dict(arguments.channels)}
    sizes = {"users": users, "items": items, "pairs": pairs}
    draw = Measurement(f"{STAGES}:draw", sizes | channels, path=work / "inputs")
    prepare = Measurement(f"{STAGES}:prepare", channels, {"inputs": draw}, work / "data")
    graphs = Measurement(f"{STAGES}:graphs", {}, {"data": prepare}, work / "graphs")
    parts = max(1, users // arguments.part_users)
    train = Measurement(f"{CONSTANTS}:train", {"num_partitions": parts}, {"graphs": graphs})
    rank = Measurement(f"{CONSTANTS}:rank", {"items": items, "channels": CHANNELS})
    return {"draw": draw, "prepare": prepare, "graphs": graphs, "train": train, "rank": rank}


def _sample_users(arguments: Namespace) -> int:
    return max(8, int(arguments.sample_items * arguments.users / arguments["items"]))


def constants_of(found: dict[str, Record]) -> Record:
    """Returns the constants of the measurements."""
    size, train = found["prepare"]["size"], found["train"]
    users, items = size["users"], size["items"]
    pairs = sum(size[split] for split in ("train", "val", "test"))
    return {
        "prepare_seconds_per_pair": found["prepare"]["seconds"] / pairs,
        "graphs_seconds_per_user": found["graphs"]["seconds"] / users,
        "train_seconds_per_pair": train["epoch_seconds"] / size["train"],
        "rank_seconds_per_score": found["rank"]["seconds_per_score"],
        "edges_per_item": train["item_edges"] / items,
        "edges_per_user": train["user_edges"] / users,
        "items_per_batch": train["items_per_batch"],
        "batches_per_pair": train["batches"] / size["train"],
        "process_bytes": train["peak_rss_mb"] * 2**20,
        "train_share": size["train"] / pairs,
        "sample": size,
    }


def estimate(record: Record) -> Record:
    """Returns the memory, the network and the hours per machine."""
    known, machines = record["constants"], record["machines"]
    users, items, pairs = (record[name] / machines for name in ("users", "items", "pairs"))
    trained = pairs * known["train_share"]
    memory = {
        "tables of users": COPIES * 4 * CHANNELS * users,
        "rows of items": COPIES * 4 * CHANNELS * items,
        "pairs": PAIR_BYTES * pairs,
        "graphs": EDGE_BYTES * (known["edges_per_item"] * items + known["edges_per_user"] * users),
        "codes of all items": CODE_BYTES * len(record["channels"]) * record["items"],
        "processes": known["process_bytes"] * record["cores"],
        "arrays of all items, per process": ITEM_BYTES * record["items"] * record["cores"],
        "final embeddings of all items, to rank": 4 * CHANNELS * record["items"],
    }
    away = (machines - 1) / machines
    network = trained * known["batches_per_pair"] * known["items_per_batch"] * ROW_BYTES * away
    cores = record["cores"]
    scores = users * record["items"]
    hours = {
        "prepare": pairs * known["prepare_seconds_per_pair"] / cores,
        "graphs": users * known["graphs_seconds_per_user"] / cores,
        "epoch, computing": trained * known["train_seconds_per_pair"] / cores,
        "epoch, network": network / (record["gbit"] * GIGABIT),
        "recommend to all, exactly": scores * known["rank_seconds_per_score"] / cores,
    }
    return {
        "memory": memory,
        "network": network,
        "hours": {name: seconds / HOUR for name, seconds in hours.items()},
    }


def estimate_report(record: Record) -> Report:
    """Returns the table of an estimate."""
    found = record["estimate"]
    memory, hours = found["memory"], found["hours"]
    rows = [["GiB", name, short(value / GIBIBYTE)] for name, value in memory.items()]
    rows.append(["GiB", "in all", short(sum(memory.values()) / GIBIBYTE)])
    rows.append(["GB sent", "epoch", short(found["network"] / GIGABYTE)])
    rows += [["hours", name, short(value)] for name, value in hours.items()]
    sizes = ", ".join(f"{record[name]:,.0f} {name}" for name in ("users", "items", "pairs"))
    sample = record["constants"]["sample"]
    notes = [
        f"{record['machines']} machines with {record['cores']} processes and {record['gbit']} "
        f"Gbit/s each, {CHANNELS} channels.",
        f"Constants: a sample of {sample['users']:,} users, {sample['items']:,} items and "
        f"{sample['train']:,} train pairs on one thread. Features are read from the disk.",
        "It is assumed that each process of a machine is as fast as the measured one, and that "
        "time grows in proportion; computing and network do not overlap.",
    ]
    return Report(f"Estimate per machine, {sizes}", ["unit", "of", "per machine"], rows, notes)


def estimate_lines(record: Record) -> list[str]:
    """Returns the lines of the page of a record."""
    report = estimate_report(record)
    return [f"{report.title}:", "", *table(report.columns, report.rows), *bullets(report.notes)]
