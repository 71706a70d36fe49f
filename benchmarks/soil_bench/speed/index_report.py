"""The table of the indexes that were raced for the nearest neighbours of all items."""

from soil_bench.runs.results import Record
from soil_bench.runs.tables import Report, bullets, short, table
from soil_bench.speed.indexes import CONTESTANTS

COLUMNS = [
    *["items", "features", "index", "build, s", "search, s", "total, s", "/ fastest"],
    *["depth", "recall", "MiB"],
]
LEGEND = (
    "Each index with the settings and the smallest depth that are fastest at the recall. "
    "MiB: peak above the vectors. -: the recall was not reached, or not in time."
)


def index_report(record: Record) -> Report:
    """Returns a table with the indexes of each case and recall, the fastest first.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py indexes`.
    """
    title = f"The 10 nearest of all items, unit vectors of {record['channels']} channels"
    rows = [
        cells
        for case in record["cases"]
        for recall in record["recalls"]
        for cells in case_rows(case, recall)
    ]
    gone = {r["contestant"] for case in record["cases"] for r in case["results"]} - set(CONTESTANTS)
    notes = [f"no longer in this version: {name}" for name in sorted(gone)]
    return Report(title, COLUMNS, rows, [LEGEND, *notes])


def index_lines(record: Record) -> list[str]:
    """Returns the section on indexes.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py indexes`.
    """
    report = index_report(record)
    head = f"{report.title}. {report.notes[0]}"
    return [head, "", *table(report.columns, report.rows), *bullets(report.notes[1:])]


def case_rows(case: Record, recall: float) -> list[list[str]]:
    """Returns the cells of the fastest settings of each index at a recall, the fastest first.

    Args:
        case (dict[str, Any]): The measurements of all indexes on the same vectors.
        recall (float): The wanted recall.
    """
    found: dict[str, tuple[float, Record, Record]] = {}
    for result in case["results"]:
        for search in result["searches"]:
            if search["wanted"] == recall:
                entry = result["seconds"] + search["seconds"], result, search
                name = result["contestant"]
                found[name] = min(found.get(name, entry), entry, key=lambda value: value[0])
    ranked = sorted(found.values(), key=lambda value: value[0])
    rows = []
    for total, result, search in ranked:
        seconds = short(result["seconds"]), short(search["seconds"]), short(total)
        memory = max(result["above_inputs_mb"], search["above_inputs_mb"])
        index = f"{result['contestant']} ({', '.join(f'{n:,}' for n in result['settings'])})"
        ratio = f"{total / ranked[0][0]:.2f}"
        reached = f"{search['depth']:,}", f"{search['recall']:.3f}", f"{memory:,.0f}"
        rows.append([index, *seconds, ratio, *reached])
    names = dict.fromkeys(r["contestant"] for r in case["results"] if r["contestant"] not in found)
    rows += [[name, *"-" * 7] for name in names]
    head = [f"{case['num_items']:,}", f"{case['source']}, recall {recall:g}"]
    return [[*(["", ""] if number else head), *cells] for number, cells in enumerate(rows)]
