"""The sections of the page on the experiments of the paper, made of their records."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from soil_bench.paper.report import table2_report, table3_report
from soil_bench.runs.results import environment
from soil_bench.runs.tables import markdown
from soil_bench.studies.fidelity import fidelity_section
from soil_bench.studies.missing import missing_report
from soil_bench.studies.newcomers import reports

Record = dict[str, Any]
# Title, command and the lines of the record of each kind, by the start of the file's name.
SECTIONS: dict[str, tuple[str, str, Callable[[Record], list[str]]]] = {
    "table2": ("All models", "paper table2", lambda record: markdown(table2_report(record))),
    "table3": ("Ablation", "paper table3", lambda record: markdown(table3_report(record))),
    "fidelity": ("Paper and released code", "fidelity", fidelity_section),
    "newcomers": (
        "Users and items that came later",
        "newcomers",
        lambda record: [line for report in reports(record) for line in markdown(report)],
    ),
    "missing": ("Missing features", "missing", lambda record: markdown(missing_report(record))),
}
# What decides a record, as its command takes it.
OPTIONS = ("dataset", "seeds", "epochs", "models", "profile", "share", "histories", "k", "rates")


def paper_sections(records: Path) -> list[str]:
    """Returns a section for each record of an experiment in a folder.

    Args:
        records (Path): The folder, which need not exist, with
            :obj:`"<experiment>-<dataset>.json"`.

    Raises:
        ValueError: If a file is not the record of its experiment.
    """
    found = []
    for name, (title, command, lines_of) in SECTIONS.items():
        for path in sorted(records.glob(f"{name}-*.json")):
            try:
                record = json.loads(path.read_text("utf-8"))
                lines = [
                    f"## {title}: {record['dataset']}",
                    "",
                    *lines_of(record),
                    *provenance(command, record),
                ]
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ValueError(
                    f"{path}: not a record of 'run.py {command}' ({error!r}); write it again or "
                    "remove it"
                ) from error
            found.append("\n".join(lines))
    return found


def words(value: Any) -> str:
    """Returns the value of an option as it is written on the command line."""
    # The rate of what is not missing is none of the command's.
    parts = value if isinstance(value, list) else [value]
    return " ".join(str(part) for part in parts if part != "0")


def provenance(command: str, record: Record) -> list[str]:
    """Returns what wrote a record, where, when and with which versions.

    Args:
        command (str): The command.
        record (dict[str, Any]): Its record.
    """
    options = "".join(f" --{name} {words(record[name])}" for name in OPTIONS if record.get(name))
    where = "; ".join(environment([record]))
    return [
        f"Written by `python benchmarks/run.py {command}{options}`. Data digest "
        f"`{record['data_digest'][:12]}`. {where}.",
        "",
    ]
