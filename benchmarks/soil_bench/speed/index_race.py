"""Indexes for the graph of the nearest neighbours of all items, at equal recall.

Each index is built and, at the smallest depth of search that reaches a recall on a sample of the
items, searched for the 10 nearest items of all. The features are those of groups, of a mixture of
clusters with a tail and, where the data set is at hand, of posters. Each index has a process of its
own; finished measurements are stored and not repeated.
"""

import math
from pathlib import Path

from jsonargparse import Namespace
from jsonargparse.typing import ClosedUnitInterval, PositiveFloat

from soil_bench.runs.arguments import make_console, make_parser, require
from soil_bench.runs.results import Record
from soil_bench.runs.tables import print_report
from soil_bench.speed.arguments import Size, add_measurement_arguments, check_memory
from soil_bench.speed.index_report import index_report
from soil_bench.speed.item_features import POSTERS, SOURCES, posters_file
from soil_bench.speed.measurement import Measurement
from soil_bench.speed.measurements import Measurements, options_of
from soil_pyg.utils.files import write_json

ITEMS = [100_000, 1_000_000]
CHANNELS = 128
RECALLS = [0.95, 0.99]
LIMIT_SECONDS = 200.0
LISTS = (0.75, 1.5, 3.0)
"""The numbers of lists, relative to the square root of the number of items."""
MEASURE = "soil_bench.speed.index_measure"
CODE = "indexes"


def main(argv: list[str]) -> int:
    """Makes unfinished measurements, prints the table and returns the exit code."""
    arguments = parse(argv)
    console = make_console(width=160)
    out = Path(arguments.out)
    measurements = Measurements(out / "indexes.jsonl", console, arguments.rerun)
    cases = [
        case
        for num_items in sorted(set(arguments["items"]))
        for source in arguments.features
        if (case := race_case(source, num_items, arguments, measurements, out / "work"))
    ]
    record = {
        "options": options_of(argv),
        "versions": measurements.versions,
        "channels": arguments.channels,
        "recalls": sorted(arguments.recalls),
        "cases": cases,
    }
    write_json(out / "indexes.json", record)
    print_report(index_report(record), console)
    return measurements.end(out / "work")


def parse(argv: list[str]) -> Namespace:
    """Returns the arguments with their defaults."""
    parser = make_parser("indexes", __doc__)
    parser.add_argument("--items", type=Size, nargs="+", default=ITEMS, help="the sizes")
    parser.add_argument("--features", choices=SOURCES, nargs="+", default=[*SOURCES])
    parser.add_argument("--channels", type=Size, default=CHANNELS)
    parser.add_argument("--recalls", type=ClosedUnitInterval, nargs="+", default=RECALLS)
    parser.add_argument(
        "--limit",
        type=PositiveFloat,
        default=LIMIT_SECONDS,
        help="maximum number of seconds of a search; longer ones are left out",
    )
    parser.add_argument("--root", default="data", help="folder of the data sets")
    add_measurement_arguments(parser)
    arguments = parser.parse_args(argv)
    require("faiss", "the comparison of indexes")
    row = 4 * arguments.channels
    check_memory("--items, --channels", "the features", max(arguments["items"]) * row)
    return arguments


def race_case(
    source: str, num_items: int, arguments: Namespace, measurements: Measurements, work: Path
) -> Record | None:
    """Returns the measurements of all indexes on one kind of features, without failed ones.

    Returns :obj:`None` if the features are not at hand.

    Args:
        source (str): The source of the features.
        num_items (int): The number of items.
        arguments (Namespace): The arguments.
        measurements (Measurements): The finished measurements.
        work (Path): The folder of the vectors until the end.
    """
    features = posters_file(arguments.root, "image") if source == POSTERS else None
    if source == POSTERS and features is None:
        return None
    size = {"source": source, "num_items": num_items, "channels": arguments.channels}
    settings = size | {"features": features}
    path = work / f"{source}-{num_items}-{arguments.channels}.npz"
    vectors = Measurement(f"{MEASURE}:draw_vectors", settings, path=path)
    results = []
    for contestant, numbers in entries(num_items):
        given = {"contestant": contestant, "settings": numbers, "limit": arguments.limit}
        measurement = Measurement(
            f"{MEASURE}:race", given | {"recalls": sorted(arguments.recalls)}, {"vectors": vectors}
        )
        found = measurements.measure(measurement, size, (CODE,))
        if found is not None:
            results.append({"contestant": contestant, "settings": numbers, **found})
    path.unlink(missing_ok=True)
    return size | {"results": results}


def entries(num_items: int) -> list[tuple[str, list[int]]]:
    """Returns the names of the indexes with their settings, by the number of items."""
    lists = [2 ** round(math.log2(factor * math.sqrt(num_items))) for factor in LISTS]
    return [
        *(("FAISS IVF,Flat list by list", [number]) for number in lists),
        ("FAISS IVF,Flat", [lists[1]]),
        *(("FAISS IVF,PQ4fs,RFlat", [number, 10]) for number in lists[:2]),
        ("FAISS HNSW", [16]),
        ("FAISS NSG", [32]),
        ("FAISS NN-descent", [48]),
        ("hnswlib", [16]),
    ]
