"""The table of all models as LaTeX, Markdown or CSV for a paper, and its BibTeX entries."""

from typing import Literal

import pandas as pd

from soil_bench.paper.report import MARKS, MEAN, marks
from soil_bench.runs.experiment import csv_columns, extent
from soil_bench.runs.results import METRICS, Record
from soil_pyg.configs import available_configs
from soil_pyg.reports.paper_table import PaperRow, bibtex, paper_table
from soil_pyg.workflow.options import ModelOptions

Format = Literal["table", "markdown", "latex", "csv"]
SUFFIXES = {"markdown": "md", "latex": "tex", "csv": "csv"}


def render(record: Record, file_format: str) -> str:
    """Returns the table of a record of :obj:`run.py paper table2`, with marks of significance.

    Args:
        record (dict[str, Any]): The record.
        file_format (str): :obj:`"markdown"`, :obj:`"latex"` or :obj:`"csv"`.
    """
    if file_format == "csv":
        return csv_table(record).to_csv(index=False, float_format="%.6g")
    rows = [
        PaperRow(
            name=display_name(row),
            values={_spelled(name): row["test"][name] for name in METRICS},
            model=row["model"],
            marks={_spelled(name): mark for name, mark in marks(record, row["model"]).items()},
        )
        for row in record["rows"]
    ]
    notes = [f"Test metrics on {extent(record)}", MEAN]
    if any(comparison.get("over") == "users" for comparison in record["comparisons"]):
        notes.append(MARKS)
    return paper_table(rows, notes, file_format)


def csv_table(record: Record) -> pd.DataFrame:
    """Returns mean, deviation, published value and mark of each metric, one row per model."""
    rows = []
    for row in record["rows"]:
        found = marks(record, row["model"])
        head = {"model": row["model"], "profile": row["profile"], "seeds": record["seeds"]}
        stars = {f"{metric} mark": found.get(metric, "") for metric in METRICS}
        rows.append(head | csv_columns(row["test"], row["published"]) | stars)
    return pd.DataFrame(rows)


def bibliography(record: Record) -> str:
    """Returns one BibTeX entry per model of the table that has a configuration, named after it."""
    names = dict.fromkeys(row["model"] for row in record["rows"])
    return "\n".join(bibtex(name) for name in names if name in available_configs())


def display_name(row: Record) -> str:
    """Returns the name of the class of a model, with its profile."""
    name = ModelOptions(row["model"]).model_class.__name__
    return name if row["profile"] is None else f"{name} ({row['profile']})"


def _spelled(metric: str) -> str:
    return metric.replace("recall", "Recall").replace("ndcg", "NDCG")
