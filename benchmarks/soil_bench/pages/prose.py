"""Figures in the README and the documentation, kept equal to the records they come from."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

Figures: TypeAlias = Sequence[tuple[str, Sequence[str]]]
"""Phrases of a page with :obj:`{}` for each number, and the numbers."""

FIGURE = re.compile(
    r"(?<![\w.])(?:\d[\d,]*\.\d+|\.\d+|\d[\d,]*(?= ?%)"
    r"|\d[\d,]*(?= (?:s|ms|seconds?|minutes?|hours?|epochs?|[GMKT]i?B)\b))(?![\w.]*\w)"
)
"""A decimal number, a percentage, a time or a size."""
CODE = re.compile(
    r"^```.*?^```$|^( *)\.\. (?:code-block|literalinclude)::[^\n]*\n(?:\1 +[^\n]*\n|[ ]*\n)*"
    r"|^ +:[\w-]+:[^\n]*$|``.*?``|`[^`\n]*`|https?://\S+",
    re.DOTALL | re.MULTILINE,
)
"""Code, options of directives and addresses, whose numbers are no figures."""
ROW = re.compile(r"^\| `(\w+)` \|.*\|$", re.MULTILINE)
HEADER = re.compile(r"^\| class \|.*\|$", re.MULTILINE)


def with_figures(text: str, figures: Figures, page: str) -> str:
    r"""Returns a page with the numbers of its phrases replaced.

    Args:
        text (str): The page.
        figures (list[tuple[str, list[str]]]): Its phrases and their numbers.
        page (str): The name of the page, for errors.

    Raises:
        ValueError: If the page does not have a phrase exactly once.

    Example:
        >>> with_figures("It takes 3 s on\none core.", [("takes {} s on one", ["4.5"])], "a page")
        'It takes 4.5 s on\none core.'
    """
    for phrase, values in figures:
        found = _find(text, phrase, page)
        for number, value in reversed(list(enumerate(values, start=1))):
            text = text[: found.start(number)] + value + text[found.end(number) :]
    return text


def loose_figures(text: str, phrases: Sequence[str], page: str) -> list[tuple[int, str]]:
    """Returns the line and the text of each figure outside of code, table rows of models and
    phrases.

    Args:
        text (str): The page.
        phrases (list[str]): Its phrases.
        page (str): The name of the page, for errors.
    """
    spans = [_find(text, phrase, page).span() for phrase in phrases]
    spans += [found.span() for pattern in (CODE, ROW) for found in pattern.finditer(text)]
    return [
        (text.count("\n", 0, found.start()) + 1, found.group())
        for found in FIGURE.finditer(text)
        if not any(start <= found.start() < end for start, end in spans)
    ]


def with_columns(text: str, cell_of: Mapping[str, Callable[[str], str]]) -> str:
    """Returns a page with the cells of its table of models replaced.

    Args:
        text (str): The page, with a table whose first column is :obj:`class`.
        cell_of (dict[str, callable]): By the title of a column, a function that returns the cell
            of a class.
    """
    header = HEADER.search(text)
    titles = [] if header is None else _cells(header.group())

    def replace(row: re.Match[str]) -> str:
        cells = [
            cell_of[title](row[1]) if title in cell_of else cell
            for title, cell in zip(titles, _cells(row.group()), strict=True)
        ]
        return f"| {' | '.join(cells)} |"

    return ROW.sub(replace, text)


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def _find(text: str, phrase: str, page: str) -> re.Match[str]:
    parts = (r"\s+".join(map(re.escape, part.split(" "))) for part in phrase.split("{}"))
    found = list(re.finditer(r"([\d.,]*\d)".join(parts), text))
    if len(found) != 1:
        raise ValueError(
            f"{page} must have the phrase '{phrase}' exactly once (got {len(found)}): change the "
            "page or soil_bench/pages/figures.py"
        )
    return found[0]
