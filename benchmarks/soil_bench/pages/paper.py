"""The sections of the page on the experiments of the paper, built from their records."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from soil_bench.pages.records import read_as, written_by
from soil_bench.paper.report import table2_report, table3_report
from soil_bench.runs.results import Record
from soil_bench.runs.tables import markdown
from soil_bench.studies.fidelity import fidelity_section
from soil_bench.studies.growth import growth_report
from soil_bench.studies.missing import missing_report
from soil_bench.studies.newcomers_report import reports
from soil_bench.studies.patience import patience_report

SECTIONS: dict[str, tuple[str, str, Callable[[Record], list[str]]]] = {
    "table2": ("All models", "paper table2", lambda record: markdown(table2_report(record))),
    "table3": ("Ablation", "paper table3", lambda record: markdown(table3_report(record))),
    "fidelity": ("Paper and released code", "fidelity", fidelity_section),
    "newcomers": (
        "New users and items",
        "newcomers",
        lambda record: [line for report in reports(record) for line in markdown(report)],
    ),
    "missing": ("Missing features", "missing", lambda record: markdown(missing_report(record))),
    "growth": ("Steps on several batches", "growth", lambda r: markdown(growth_report(r))),
    "patience": ("Patience", "patience", lambda record: markdown(patience_report(record))),
}
"""The title, the command and the lines of each kind of record, by the prefix of its file."""
OPTIONS = (
    *("dataset", "seeds", "epochs", "models", "profile", "share", "histories", "k", "rates"),
    *("patiences", "batches_per_step", "mask"),
)
"""The options of the commands that decide a record."""


def paper_sections(records: Path) -> list[str]:
    """Returns a section for each record of an experiment in a folder.

    Args:
        records (Path): The folder, which need not exist, with
            :obj:`"<experiment>-<dataset>.json"`.

    Raises:
        ValueError: If a file is not the record of its experiment.
    """
    return [
        read_as(path, command, partial(section, title, command, lines_of))
        for name, (title, command, lines_of) in SECTIONS.items()
        for path in sorted(records.glob(f"{name}-*.json"))
    ]


def section(
    title: str, command: str, lines_of: Callable[[Record], list[str]], record: Record
) -> str:
    """Returns the section of a record.

    Args:
        title (str): The title.
        command (str): The command that wrote the record.
        lines_of (callable): Returns the lines of the record.
        record (dict[str, Any]): The record.
    """
    lines = [f"## {title}: {record['dataset']}", "", *lines_of(record)]
    return "\n".join([*lines, *provenance(command, record)])


def words(value: Any) -> str:
    """Returns the value of an option as it is written on the command line."""
    # The command takes no share for the original data.
    parts = value if isinstance(value, list) else [value]
    return " ".join(str(part) for part in parts if part != "0")


def provenance(command: str, record: Record) -> list[str]:
    """Returns the command that wrote a record, the data, the versions, the machine and the date."""
    given = {name: record[name] for name in OPTIONS if record.get(name)}
    if "mask" in given:
        del given["rates"]
    options = "".join(f" --{n.replace('_', '-')} {words(value)}" for n, value in given.items())
    data = f" Data digest `{record['data_digest'][:12]}`."
    return written_by(f"{command}{options}", data, record)
