"""Lines of Markdown."""

from collections.abc import Iterable


def table(columns: list[str], rows: Iterable[list[str]]) -> list[str]:
    """Returns the lines of a table, the empty one after it included."""
    lines = [columns, *rows]
    head, *body = (f"| {' | '.join(cells)} |" for cells in lines)
    return [head, f"|{'---|' * len(columns)}", *body, ""]


def bullets(texts: Iterable[str]) -> list[str]:
    """Returns the lines of a list, the empty one after it included if there is any."""
    lines = [f"- {text}" for text in texts]
    return [*lines, ""] if lines else []


def short(value: float) -> str:
    """Returns a value with three digits, and not fewer than those before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
