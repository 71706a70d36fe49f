"""Tables of a report, and the shares in them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Share:
    """A share, which is shown in percent.

    Args:
        value (float): The share, from 0 to 1.
    """

    value: float


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Args:
        caption (str): Its caption.
        columns (list[str]): The heads of its columns; those of numbers are aligned to the right.
        rows (list[list[Any]]): Its rows; the first cell of each is its head.
        marked (set[int]): The rows that are marked. (default: none)
    """

    caption: str
    columns: list[str]
    rows: list[list[Any]]
    marked: frozenset[int] = frozenset()

    def is_number(self, column: int) -> bool:
        """Returns whether a column holds numbers.

        Args:
            column (int): The column.
        """
        values = [row[column] for row in self.rows if row[column] is not None]
        return bool(values) and not any(isinstance(value, str) for value in values)
