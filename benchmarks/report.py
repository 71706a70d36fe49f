"""A table of an experiment, printed and as Markdown."""

from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from markdown_lines import bullets, table


@dataclass(frozen=True)
class Report:
    """A table with notes.

    Args:
        title (str): What it shows.
        columns (list[str]): The names of the columns; the cells of the first are names.
        rows (list[list[str]]): The cells of each row.
        notes (list[str], optional): Sentences below it. (default: none)
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)


def print_report(report: Report, console: Console) -> None:
    """Prints the table and the notes.

    Args:
        report (Report): The table.
        console (Console): Where to print.
    """
    out = Table(title=report.title)
    for number, name in enumerate(report.columns):
        out.add_column(name, justify="right" if number else "left")
    for row in report.rows:
        out.add_row(*row)
    console.print(out)
    for note in report.notes:
        console.print(note, markup=False)


def markdown(report: Report) -> list[str]:
    """Returns the lines of the table and the notes.

    Args:
        report (Report): The table.
    """
    return [f"{report.title}:", "", *table(report.columns, report.rows), *bullets(report.notes)]


def difference_text(difference: float, standard_error: float | None) -> str:
    """Returns a difference with its sign ± its standard error, of one seed the difference.

    Args:
        difference (float): The mean difference.
        standard_error (float, optional): Its standard error.
    """
    error = "" if standard_error is None else f" ± {standard_error:.4f}"
    return f"{difference:+.4f}{error}"
