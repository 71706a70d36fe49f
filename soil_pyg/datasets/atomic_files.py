"""Atomic files of RecBole, whose headers hold the type of each field."""

import re
from collections.abc import Sequence
from pathlib import Path

from soil_pyg.datasets.frames import Table, read_table

USER, ITEM, RATING, TIME = "user_id", "item_id", "rating", "timestamp"
"""The usual names of the fields."""
TYPED = re.compile(r"(.+):(?:token|token_seq|float|float_seq)")


def atomic_fields(path: Path) -> dict[str, str]:
    """Returns the titles of the columns of an atomic file by the names of their fields, or nothing
    for another file.
    """
    if not path.is_file() or path.suffix not in (".inter", ".item"):
        return {}
    with path.open("rb") as file:
        header = file.readline().decode(errors="replace").removeprefix("\ufeff")
    titles = header.rstrip("\r\n").split("\t")
    found = [TYPED.fullmatch(title) for title in titles]
    return {match[1]: match[0] for match in found if match} if all(found) else {}


def read_atomic_file(
    path: Path, name: str, ids: dict[str, str], others: Sequence[str] | None = None
) -> Table:
    """Reads fields of an atomic file; their columns have the names of the fields.

    Args:
        path: The file.
        name: The argument that names it, for errors.
        ids: The fields with ids, and the names of their columns.
        others: The other fields. (default: all)
    """
    titles = atomic_fields(path)
    wanted = [titles.get(field, field) for field in ids]
    more = None if others is None else [titles.get(field, field) for field in others]
    table = read_table(path, name, wanted, more)
    names = {title: ids.get(field, field) for field, title in titles.items()}
    return table._replace(frame=table.frame.rename(columns=names))
