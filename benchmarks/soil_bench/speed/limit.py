"""Graphs of SOIL by exact comparison and by the default index, by the number of items.

The features are those of a mixture of clusters with a tail, the interactions those of ``scale``.
Both are measured at each size, in processes of their own; finished measurements are stored and not
repeated. The default number of items up to which all are compared follows from the table.
"""

from pathlib import Path

import torch
from jsonargparse import Namespace

from soil_bench.runs.arguments import make_console, make_parser, require
from soil_bench.runs.results import Record
from soil_bench.runs.tables import Report, markdown, print_report, short
from soil_bench.speed.arguments import (
    Size,
    add_channels,
    add_measurement_arguments,
    check_channels,
    check_memory,
)
from soil_bench.speed.measurement import Measurement
from soil_bench.speed.measurements import Measurements, options_of
from soil_bench.speed.scale import CHANNELS, DRAW, WORKLOADS, data_settings
from soil_pyg.ops.faiss_index import default_index
from soil_pyg.utils.files import write_json

SIZES = [4_096, 8_192, 16_384, 32_768, 65_536]
SOURCE = "mixture"


def main(argv: list[str]) -> int:
    """Makes unfinished measurements, prints the table and returns the exit code."""
    arguments = parse(argv)
    console = make_console()
    out = Path(arguments.out)
    measurements = Measurements(out / "limit.jsonl", console, arguments.rerun)
    rows = []
    for num_items in sorted(set(arguments["items"])):
        settings = data_settings(num_items, SOURCE, "", arguments.channels)
        path = out / "work" / f"{num_items}.inputs"
        drawn = Measurement(DRAW, settings, path=path)
        row: Record = {"items": num_items}
        for side, index in (("exact", "Flat"), ("index", default_index(torch.empty(num_items, 1)))):
            measurement = Measurement(
                f"{WORKLOADS}:build_fast",
                {"device": "cpu", "index": index},
                {"inputs": drawn},
                out / "work" / "graphs",
            )
            found = measurements.measure(measurement, settings)
            if found is not None:
                row[side] = found | {"name": index}
        path.unlink(missing_ok=True)
        if {"exact", "index"} <= row.keys():
            rows.append(row)
    record = {
        "options": options_of(argv),
        "versions": measurements.versions,
        "channels": dict(arguments.channels),
        "rows": rows,
    }
    write_json(out / "limit.json", record)
    print_report(limit_report(record), console)
    return measurements.end(out / "work")


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults."""
    parser = make_parser("limit", __doc__)
    parser.add_argument("--items", type=Size, nargs="+", default=SIZES, help="the sizes")
    add_channels(parser, CHANNELS)
    add_measurement_arguments(parser)
    arguments = parser.parse_args(argv)
    check_channels(arguments)
    require("faiss", "the comparison")
    row = 4 * sum(arguments.channels.values())
    check_memory("--items, --channels", "the features", max(arguments["items"]) * row)
    return arguments


def limit_report(record: Record) -> Report:
    """Returns the table of a record."""
    lines = []
    for row in record["rows"]:
        exact, index = row["exact"], row["index"]
        recall = min(found["recall"] for found in index["search"].values())
        lines.append(
            [
                f"{row['items']:,}",
                short(exact["seconds"]),
                short(index["seconds"]),
                f"{exact['seconds'] / index['seconds']:.2f}",
                index["name"],
                f"{recall:.3f}",
                f"{exact['peak_rss_mb']:,.0f}",
                f"{index['peak_rss_mb']:,.0f}",
            ]
        )
    columns = ["items", "exact, s", "index, s", "exact / index", "index", "recall", "MiB", "MiB"]
    channels = ", ".join(f"{name} of {size}" for name, size in record["channels"].items())
    notes = [
        f"All graphs of the released profile, features in channels: {channels}. Recall: the lowest "
        "of all searches, on a sample. MiB: peaks of the whole process, exact and by index."
    ]
    return Report("Exact comparison against the default index", columns, lines, notes)


def limit_lines(record: Record) -> list[str]:
    """Returns the lines of the page of a record."""
    return markdown(limit_report(record))
