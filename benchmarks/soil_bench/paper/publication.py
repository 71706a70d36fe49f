"""The table of all models as LaTeX, Markdown or CSV for a paper, and its BibTeX entries."""

import re
from statistics import fmean
from typing import Literal

import pandas as pd

from soil_bench.paper.report import MARKS, MEAN, marks
from soil_bench.runs.experiment import csv_columns, extent
from soil_bench.runs.results import METRICS, Record
from soil_bench.runs.tables import table
from soil_pyg.configs import available_configs, load_config
from soil_pyg.workflow.options import ModelOptions

Format = Literal["table", "markdown", "latex", "csv"]
SUFFIXES = {"markdown": "md", "latex": "tex", "csv": "csv"}

SPECIAL = {"\\": r"\textbackslash{}", "±": r"$\pm$", "~": r"\textasciitilde{}"} | {
    character: f"\\{character}" for character in "&%$#_{}"
}
"""What LaTeX needs instead of a character."""

CITATION = re.compile(r"(.+?)\. (.+)\. ([^.]+), (\d{4})\.")
"""The authors, the title, the venue and the year in a citation of a configuration."""

DIGITS = 4


def render(record: Record, file_format: str) -> str:
    """Returns the table of a record of :obj:`run.py paper table2`: mean ± deviation over seeds, the
    best mean of each metric bold and the second best underlined, and marks of significance.

    Args:
        record (dict[str, Any]): The record.
        file_format (str): :obj:`"markdown"`, :obj:`"latex"` or :obj:`"csv"`.
    """
    if file_format == "csv":
        return csv_table(record).to_csv(index=False, float_format="%.6g")
    rows = record["rows"]
    places = {metric: _places([fmean(row["test"][metric]) for row in rows]) for metric in METRICS}
    is_latex = file_format == "latex"
    style, escape = (_latex, latex_text) if is_latex else (_markdown, str)
    cells = []
    for number, row in enumerate(rows):
        found = marks(record, row["model"])
        name = escape(display_name(row))
        if is_latex and row["model"] in available_configs():
            name += rf"~\cite{{{row['model']}}}"
        cells.append([name])
        for metric in METRICS:
            mean, std = (f"{value:.{DIGITS}f}" for value in _mean_std(row["test"][metric]))
            deviation = "" if std == "nan" else escape(f" ± {std}")
            mark = found.get(metric, "")
            mark = f"$^{{{mark}}}$" if is_latex and mark else mark.replace("*", r"\*")
            cells[-1].append(style(mean, places[metric][number]) + deviation + mark)
    spelled = [name.replace("recall", "Recall").replace("ndcg", "NDCG") for name in METRICS]
    columns = ["Model", *spelled]
    notes = [f"Test metrics on {extent(record)}", MEAN]
    if any(comparison.get("over") == "users" for comparison in record["comparisons"]):
        notes.append(MARKS)
    if is_latex:
        return _latex_table(columns, cells, notes)
    return "\n".join([*table(columns, cells), ". ".join(notes).replace("*", r"\*") + "."]) + "\n"


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


def bibtex(name: str) -> str:
    """Returns the BibTeX entry of a model, from the citation in its configuration.

    Raises:
        ValueError: If the citation has another form than "Authors. Title. Venue, year."
    """
    config = load_config(name)
    match = CITATION.fullmatch(config.citation.strip())
    if match is None:
        raise ValueError(f"{name}.yaml: 'citation' must end in '. Venue, year.'")
    authors, title, venue, year = match.groups()
    is_article = "Transactions" in venue or venue == "arXiv"
    fields = {
        "author": re.sub(r",? and |, ", " and ", latex_text(authors)),
        "title": f"{{{latex_text(title)}}}",
        "journal" if is_article else "booktitle": latex_text(venue),
        "year": year,
        "url": config.source,
    }
    lines = [f"  {key} = {{{value}}}," for key, value in fields.items()]
    return "\n".join([f"@{'article' if is_article else 'inproceedings'}{{{name},", *lines, "}", ""])


def latex_text(text: str) -> str:
    r"""Returns a text with the characters escaped that LaTeX reserves.

    Example:
        >>> latex_text("ml1m_sparse, 50 %")
        'ml1m\\_sparse, 50 \\%'
    """
    return "".join(SPECIAL.get(character, character) for character in text)


def display_name(row: Record) -> str:
    """Returns the name of the class of a model, with its profile."""
    name = ModelOptions(row["model"]).model_class.__name__
    return name if row["profile"] is None else f"{name} ({row['profile']})"


def _mean_std(values: list[float]) -> tuple[float, float]:
    found = csv_columns({"value": values}, {})
    return found["value"], found["value std"]


def _places(means: list[float]) -> list[int]:
    # Equal figures, as printed, share their place.
    shown = [round(mean, DIGITS) for mean in means]
    order = sorted(set(shown), reverse=True)
    return [order.index(mean) for mean in shown]


def _markdown(text: str, place: int) -> str:
    return {0: f"**{text}**", 1: f"<u>{text}</u>"}.get(place, text)


def _latex(text: str, place: int) -> str:
    return {0: rf"\textbf{{{text}}}", 1: rf"\underline{{{text}}}"}.get(place, text)


def _latex_table(columns: list[str], rows: list[list[str]], notes: list[str]) -> str:
    # Without packages, so that it can be read into any document.
    body = [rf"{' & '.join(row)} \\" for row in rows]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{'. '.join(map(latex_text, notes))}.}}",
            rf"\begin{{tabular}}{{l{'c' * (len(columns) - 1)}}}",
            r"\hline",
            rf"{' & '.join(map(latex_text, columns))} \\",
            r"\hline",
            *body,
            r"\hline",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )
