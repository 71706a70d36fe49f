"""Selection of the interactions of a table."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soil_pyg.datasets.columns import read_labels, read_numbers, read_times
from soil_pyg.datasets.frames import Table, read_ids
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
    """The selected interactions.

    Args:
        frame (pandas.DataFrame): Their users, items, times and labels, in columns with the names of
            the table.
        item_id (numpy.ndarray): The ids of their items, sorted.
        read (dict[str, int]): The numbers of users, items and pairs before the selection.
        dropped (list[Dropped]): The losses of each step.
    """

    frame: pd.DataFrame
    item_id: np.ndarray
    read: dict[str, int]
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

    Args:
        table (Table): The interactions.
        user_column (str): The column of the user ids.
        item_column (str): The column of the item ids.
        rating_column (str, optional): The column of ratings. (default: :obj:`None`)
        min_rating (float, optional): The minimum rating to keep. (default: :obj:`None`)
        time_column (str, optional): The column of times; the latest of repeated pairs is kept.
            (default: :obj:`None`)
        split_column (str, optional): The column of a given split, which forbids repeated pairs.
            (default: :obj:`None`)
        k (int): The minimum number of interactions of every user and every item.
            (default: :obj:`1`)

    Raises:
        ValueError: If a value is invalid or no interactions remain.
    """
    table.refuse_empty()
    user = read_ids(table.frame[user_column], table.where, table.is_text)
    item = read_ids(table.frame[item_column], table.where, table.is_text)
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
    return Selection(frame, item.values[np.unique(pairs.item)], read, pairs.dropped)
