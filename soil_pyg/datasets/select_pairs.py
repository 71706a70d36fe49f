"""Selection of the interactions of a table."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soil_pyg.datasets.columns import read_labels, read_numbers, read_times
from soil_pyg.datasets.frames import Table
from soil_pyg.datasets.interactions import check_pairs
from soil_pyg.datasets.pair_filter import (
    Dropped,
    PairFilter,
    k_core,
    largest_k_core,
    latest_of_pairs,
)


@dataclass
class Selection:
    """The selected interactions."""

    frame: pd.DataFrame
    """Users, items, times and labels, in columns with the names of the table."""
    item_id: np.ndarray
    """The ids of the items, sorted."""
    read: dict[str, int]
    """The numbers of users, items and pairs before the selection."""
    dropped: list[Dropped]


def select_pairs(
    table: Table,
    user_column: str,
    item_column: str,
    rating_column: str | None = None,
    min_rating: float | None = None,
    time_column: str | None = None,
    split_column: str | None = None,
    k: int = 1,
) -> Selection:
    """Drops low ratings, merges repeated pairs, and drops users and items with few interactions.

    The latest of repeated pairs is kept; the column of a given split forbids repeated pairs. Every
    user and every item keeps at least :obj:`k` interactions. Raises :class:`ValueError` if a value
    is invalid or no interactions remain.
    """
    table.refuse_empty()
    user, item = table.ids(user_column), table.ids(item_column)
    pairs = PairFilter(user.position, item.position)
    if rating_column is not None and min_rating is not None:
        rating = read_numbers(table, rating_column)
        if not (rating >= min_rating).any():
            raise ValueError(
                f"{table.source}: no {rating_column!r} is at least {min_rating:g} (the largest is "
                f"{rating.max():g}): lower 'min_rating' (--min-rating)"
            )
        pairs.keep(rating >= min_rating, f"{rating_column} below {min_rating:g}")
    columns = {}
    if time_column is not None:
        columns[time_column] = read_times(table, time_column)
    if split_column is not None:
        columns[split_column] = read_labels(table, split_column)
        rows = pairs.rows
        check_pairs(pairs.user, pairs.item, lambda i: table.where(rows[i]))
    else:
        time = None if time_column is None else columns[time_column][pairs.rows]
        pairs.keep(latest_of_pairs(pairs.user, pairs.item, time), "repeated pairs")
    if k > 1:
        kept = k_core(pairs.user, pairs.item, k)
        if not kept.any():
            raise ValueError(
                f"'k_core' (--k-core) of {k} keeps none of {len(kept)} pairs of user and item; "
                f"the largest that keeps any is {largest_k_core(pairs.user, pairs.item)}"
            )
        pairs.keep(kept, f"fewer than {k} interactions")
    frame = pd.DataFrame({name: values[pairs.rows] for name, values in columns.items()})
    # Renumbering categories is cheap.
    for name, ids, position in ((user_column, user, pairs.user), (item_column, item, pairs.item)):
        frame[name] = pd.Categorical.from_codes(position, categories=pd.Index(ids.values))
    read = {"users": len(user.values), "items": len(item.values), "pairs": len(user.position)}
    is_kept = np.bincount(pairs.item, minlength=len(item.values)) > 0
    return Selection(frame, item.values[is_kept], read, pairs.dropped)
