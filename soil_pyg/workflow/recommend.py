"""The best items for users, in the ids of the original data."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ranking.item_index import ItemIndex
from soil_pyg.ranking.tables import Ranking
from soil_pyg.runs.checkpoint import load
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import INTERACTS
from soil_pyg.workflow.ids import ALL, IdSource, find_positions, select
from soil_pyg.workflow.run_data import load_run_data

HELD_OUT = ("val_edge_label_index", "test_edge_label_index")


def recommend(
    trained: TrainedModel | str | os.PathLike[str],
    users: Iterable[Any] | os.PathLike[str] | str = ALL,
    k: int = 10,
    exclude_seen: bool | str = True,
    allow: IdSource | None = None,
    deny: IdSource | None = None,
    data: HeteroData | str | os.PathLike[str] | None = None,
    memory_budget: int = 2**30,
    index: bool = False,
) -> pd.DataFrame:
    r"""Recommends to each user the :obj:`k` items with the best scores, ties by the smaller
    position of the item in the data.

    The table has the columns :obj:`user`, :obj:`rank` (from 1), :obj:`item` and :obj:`score`, in
    the order of :obj:`users`. A user with fewer candidates has fewer rows.

    Args:
        trained (TrainedModel, str or os.PathLike): What :func:`soil_pyg.load` returns, or its
            folder.
        users (iterable, os.PathLike or str): The ids of the users; or a file with an id a line or
            a table with the column :obj:`user`, as a :obj:`~pathlib.Path`; or :obj:`"all"`.
            (default: :obj:`"all"`)
        k (int): The number of items a user. (default: :obj:`10`)
        exclude_seen (bool or str): Whether a user's training interactions are left out, as they
            are in the evaluation; with :obj:`"all"` also the held-out ones.
            (default: :obj:`True`)
        allow (iterable, str or os.PathLike, optional): The ids of the only items to recommend, or
            a file with an id a line or a table with the column :obj:`item`. (default: all)
        deny (iterable, str or os.PathLike, optional): The items never to recommend, in the same
            forms. (default: none)
        data (HeteroData, str or os.PathLike, optional): The data or its folder, to know what users
            have seen. (default: the folder that the run was trained on)
        memory_budget (int): Bytes that a block of users may take. (default: :obj:`2**30`)
        index (bool): Whether to search the index of the run's items
            instead of scoring all items, which is faster for very many items and finds most of
            the best ones. (default: :obj:`False`)

    Raises:
        FileNotFoundError: If a folder or a file does not exist.
        ValueError: If an id is unknown, an argument out of range, or the data not that of the run.
        FloatingPointError: If a score may not be finite.
    """
    frames = recommend_blocks(
        trained, users, k, exclude_seen, allow, deny, data, memory_budget, index
    )
    return pd.concat(frames, ignore_index=True)


def recommend_blocks(
    trained: TrainedModel | str | os.PathLike[str],
    users: Iterable[Any] | os.PathLike[str] | str = ALL,
    k: int = 10,
    exclude_seen: bool | str = True,
    allow: IdSource | None = None,
    deny: IdSource | None = None,
    data: HeteroData | str | os.PathLike[str] | None = None,
    memory_budget: int = 2**30,
    index: bool = False,
) -> Iterator[pd.DataFrame]:
    """Returns an iterator over the rows of :func:`recommend`, block by block, for any number of
    users.

    Takes the arguments of :func:`recommend`, and raises the same errors, before the first block.
    """
    if not isinstance(trained, TrainedModel):
        trained = load(trained)
    if exclude_seen not in (True, False, ALL):
        raise ValueError(f"'exclude_seen' must be True, False or 'all' (got {exclude_seen!r})")
    if index and (allow is not None or deny is not None):
        raise ValueError("'index' must be False where 'allow' or 'deny' choose among the items")
    ranking = Ranking(
        query_emb=trained.user_emb,
        item_emb=trained.item_emb,
        queries=select(users, trained.user_id, "users", "user"),
        mask_index=_seen(trained, exclude_seen, data),
        query_id=trained.user_id,
        item_id=trained.item_id,
        index=_index(trained) if index else None,
    )
    if allow is not None or deny is not None:
        is_allowed = np.full(len(trained.item_id), allow is None)
        if allow is not None:
            is_allowed[find_positions(allow, trained.item_id, "allow", "item")] = True
        if deny is not None:
            is_allowed[find_positions(deny, trained.item_id, "deny", "item")] = False
        ranking = ranking.restricted_to(torch.from_numpy(np.flatnonzero(is_allowed)))
    return ranking.frames(k, memory_budget)


def _index(trained: TrainedModel) -> ItemIndex:
    found = ItemIndex.load(trained)
    if found is None:
        raise ValueError(
            "'index' must be False, as the run has no item index: install FAISS (the extra 'cpu' "
            "or 'gpu') and train again with the same arguments to have one made"
        )
    return found


def _seen(
    trained: TrainedModel,
    exclude_seen: bool | str,
    data: HeteroData | str | os.PathLike[str] | None,
) -> Tensor:
    if not exclude_seen:
        return torch.empty(2, 0, dtype=torch.long)
    store = load_run_data(trained, data)[INTERACTS]
    names = HELD_OUT if exclude_seen == ALL else ()
    pairs = [store.edge_index, *(store[name] for name in names if name in store)]
    if trained.later_interactions is not None:
        pairs.append(trained.later_interactions)
    return torch.cat(pairs, dim=1).cpu()
