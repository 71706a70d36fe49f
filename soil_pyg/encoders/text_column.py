"""Texts of items from columns of their table."""

from collections.abc import Sequence

import pandas as pd

from soil_pyg.datasets.frames import list_columns
from soil_pyg.typing import ITEM


def read_texts(items: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Returns one text per item, empty if it is missing; texts of several columns are joined by
    line breaks.

    Raises :class:`ValueError` if a column is missing or holds other values, or no item has a text.
    """
    parts = [_read_column(items, column) for column in columns]
    texts = ["\n".join(filter(None, row)) for row in zip(*parts, strict=True)]
    if not any(texts):
        listed = " and ".join(repr(column) for column in columns)
        raise ValueError(f"no item has a text in column {listed}: choose another column")
    return texts


def _read_column(items: pd.DataFrame, column: str) -> list[str]:
    if column not in items.columns:
        raise ValueError(
            f"the table of items, 'items' (--items), has no column {column!r} (got "
            f"{list_columns(list(items.columns), column)}): choose another column or table"
        )
    texts = []
    for row, value in enumerate(items[column]):
        if pd.api.types.is_scalar(value) and pd.isna(value):
            value = ""
        if not isinstance(value, str):
            raise ValueError(
                f"column {column!r} must hold texts (got {value!r} for item "
                f"{str(items[ITEM].iloc[row])!r})"
            )
        # Lone surrogates have neither digest nor tokens.
        texts.append(value.encode("utf-8", "replace").decode().strip())
    return texts
