"""A table of an experiment, printed and as Markdown."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Report:
    """A table with notes.

    Args:
        title (str): The title.
        columns (list[str]): The names of the columns; the first column holds names.
        rows (list[list[str]]): The cells of each row.
        notes (list[str], optional): Lines below the table. (default: none)
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)


def print_report(report: Report, console: Console) -> None:
    """Prints the table and the notes."""
    out = Table(title=report.title)
    for number, name in enumerate(report.columns):
        out.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in report.rows:
        out.add_row(*row)
    console.print(out)
    for note in report.notes:
        console.print(note, markup=False)


def markdown(report: Report) -> list[str]:
    """Returns the lines of the table and the notes."""
    # A star at the start of a note is no list in the list.
    notes = [note.replace("*", r"\*") for note in report.notes]
    return [f"{report.title}:", "", *table(report.columns, report.rows), *bullets(notes)]


def sections(legend: str, reports: Iterable[Report]) -> list[str]:
    """Returns the lines of a legend and of one section per table, whose notes are escaped."""
    lines = [legend, ""]
    for report in reports:
        lines += [f"### {report.title}", "", *table(report.columns, report.rows)]
        lines += bullets(escape(note, quote=False) for note in report.notes)
    return lines


def difference_text(difference: float, standard_error: float | None) -> str:
    """Returns a signed difference ± its standard error as text, if it has one."""
    error = "" if standard_error is None else f" ± {standard_error:.4f}"
    return f"{difference:+.4f}{error}"


def table(columns: list[str], rows: Iterable[list[str]]) -> list[str]:
    """Returns the lines of a table and an empty one."""
    lines = [columns, *rows]
    head, *body = (f"| {' | '.join(cells)} |" for cells in lines)
    return [head, f"|{'---|' * len(columns)}", *body, ""]


def bullets(texts: Iterable[str]) -> list[str]:
    """Returns the lines of a list and an empty one, or no lines if it is empty."""
    lines = [f"- {text}" for text in texts]
    return [*lines, ""] if lines else []


def short(value: float) -> str:
    """Returns a value with three significant digits, or with all digits before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
