"""The tables of what each difference between the paper and the released code is worth."""

from typing import Any

from report import Report, difference_text, markdown
from results import mean_std

Record = dict[str, Any]


def fidelity_section(record: Record) -> list[str]:
    """Returns the lines of the section in Markdown, without its title.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py fidelity`.
    """
    lines = [
        "SOIL's two profiles, with one option at a time set to the value of the other profile: "
        "difference of the test metrics to the unchanged profile, paired by seed, ± its standard "
        "error over seeds. The equations are those of the paper. *all* is the other profile.",
        "",
    ]
    for report in fidelity_reports(record):
        lines += markdown(report)
    return lines


def fidelity_reports(record: Record) -> list[Report]:
    """Returns a table a profile to start from.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py fidelity`.
    """
    return [report_of(record, start) for start in record["starts"]]


def report_of(record: Record, start: str) -> Report:
    """Returns the table of one profile to start from.

    Args:
        record (dict[str, Any]): The record of :obj:`run.py fidelity`.
        start (str): The profile.
    """
    values = record["starts"][start]
    rows = [row for row in record["rows"] if row["start"] == start]
    cells, notes = [], []
    for row in rows:
        change = f"{row['from']} → {row['to']}" if "from" in row else ""
        found = row["differences"]
        texts = [difference_text(**found[metric]) if found else "-" for metric in values]
        cells.append([row["option"], row["equations"], change, *texts])
        if row["reason"] is not None:
            notes.append(f"{row['option']}: {row['reason']}")
    unchanged = ", ".join(f"{metric} {mean_std(found, 4)}" for metric, found in values.items())
    notes.insert(0, f"Unchanged: {unchanged} (mean ± sample standard deviation)")
    seeds = f"{record['seeds']} seeds" if record["seeds"] > 1 else "one seed"
    limit = "" if record["epochs"] is None else f", at most {record['epochs']} epochs a run"
    title = f"From the {start} profile on {record['dataset']}, {seeds}{limit}"
    return Report(title, ["option", "equations", "change", *values], cells, notes)
