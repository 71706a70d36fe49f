"""Recommendations for users, in the ids of the original data."""

import os
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ranking.item_index import DESCRIPTION, REMEDY, ItemIndex
from soil_pyg.ranking.tables import Ranking
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import EDGE_INDICES, INTERACTS, TRAINED_EARLIER
from soil_pyg.utils.checks import check_choice, check_flag, check_integer
from soil_pyg.utils.engine import check_engine
from soil_pyg.workflow.ids import ALL, IdSource, find_positions, select
from soil_pyg.workflow.run_data import data_source, load_run_data, open_run

SEEN = (ALL, "train", "none")
"""The items of a user that may be excluded."""


def recommend(
    trained: TrainedModel | str | os.PathLike[str],
    users: IdSource = ALL,
    k: int = 10,
    exclude_seen: str = ALL,
    allow: IdSource | None = None,
    deny: IdSource | None = None,
    data: HeteroData | str | os.PathLike[str] | None = None,
    memory_budget: int = 2**30,
    index: bool = False,
    engine: str = "local",
) -> pd.DataFrame:
    r"""Recommends to each user the :obj:`k` items with the highest scores. Ties are broken by the
    position of the item in the data.

    The table has the columns :obj:`user`, :obj:`rank` (from 1), :obj:`item` and :obj:`score`, in
    the order of :obj:`users`. A user with fewer than :obj:`k` candidates has fewer rows.

    Args:
        trained (TrainedModel, str or os.PathLike): The trained model, as returned by
            :func:`soil_pyg.load`, or its folder.
        users (iterable, os.PathLike or str): The ids of the users, or a :obj:`~pathlib.Path` to a
            text file with one id per line or to a table with the column of users of the data, or
            :obj:`"all"`. (default: :obj:`"all"`)
        k (int): The number of items per user. (default: :obj:`10`)
        exclude_seen (str): The items of each user that are not recommended: those of every split
            (:obj:`"all"`), those of the train split (:obj:`"train"`), as in the evaluation, or
            none (:obj:`"none"`). Interactions of new users belong to the train split.
            (default: :obj:`"all"`)
        allow (iterable, str or os.PathLike, optional): The ids of the only items to recommend, or
            a file of them as above, with the column of items. Unknown items in a file are skipped.
            (default: all)
        deny (iterable, str or os.PathLike, optional): The ids of items never to recommend, or a
            file of them, as above. (default: none)
        data (HeteroData, str or os.PathLike, optional): The data or its folder, for the seen
            items. (default: the folder that the run was trained on)
        memory_budget (int): The maximum number of bytes per block of users.
            (default: :obj:`2**30`)
        index (bool): Whether to search the item index of the run instead of scoring all items.
            This is faster for millions of items, but approximate. (default: :obj:`False`)
        engine (str): Where blocks of users are ranked: in this process (:obj:`"local"`), or by
            Ray (:obj:`"ray"`) on all processors of this machine or of the cluster that
            :obj:`RAY_ADDRESS` names. The table is the same. (default: :obj:`"local"`)

    Raises:
        FileNotFoundError: If a folder or a file does not exist.
        ValueError: If an id is unknown, an argument is out of range, or the data is not that of
            the run.
        FloatingPointError: If a score is not finite.
        ImportError: If Ray is asked for and not installed.
    """
    frames = recommend_blocks(
        trained, users, k, exclude_seen, allow, deny, data, memory_budget, index, engine
    )
    return pd.concat(frames, ignore_index=True)


def recommend_blocks(
    trained: TrainedModel | str | os.PathLike[str],
    users: IdSource = ALL,
    k: int = 10,
    exclude_seen: str = ALL,
    allow: IdSource | None = None,
    deny: IdSource | None = None,
    data: HeteroData | str | os.PathLike[str] | None = None,
    memory_budget: int = 2**30,
    index: bool = False,
    engine: str = "local",
) -> Iterator[pd.DataFrame]:
    """Returns an iterator over the rows of :func:`recommend` in blocks of bounded size.

    Takes the arguments of :func:`recommend`, and raises the same errors before the first block.
    """
    check_options(k, memory_budget, engine, index)
    ranking = find_ranking(trained, users, exclude_seen, allow, deny, data, index)
    return ranking.frames(k, memory_budget, engine)


def check_options(k: int, memory_budget: int, engine: str, index: bool) -> None:
    """Raises :class:`ValueError` if an option of :func:`recommend` is out of range, and
    :class:`ImportError` if Ray is missing.
    """
    check_integer("k", k, 1)
    check_integer("memory_budget", memory_budget, 1)
    check_flag("index", index)
    if engine != "local" and index:
        raise ValueError(f"'engine' must be 'local' if 'index' is True (got '{engine}')")
    check_engine(engine)


def find_ranking(
    trained: TrainedModel | str | os.PathLike[str],
    users: IdSource = ALL,
    exclude_seen: str = ALL,
    allow: IdSource | None = None,
    deny: IdSource | None = None,
    data: HeteroData | str | os.PathLike[str] | None = None,
    index: bool = False,
) -> Ranking:
    """Returns the ranking behind :func:`recommend`, whose arguments it takes."""
    check_flag("index", index)
    check_choice("exclude_seen", exclude_seen, SEEN)
    trained = open_run(trained)
    if index and (allow is not None or deny is not None):
        raise ValueError("'index' must be False if 'allow' or 'deny' is given (got True)")
    item_index = ItemIndex.load(trained) if index else None
    if index and item_index is None:
        raise ValueError(
            f"'index' must be False, as the run has no {DESCRIPTION} of its embeddings (got "
            f"True): install FAISS (the extra 'cpu' or 'gpu') and {REMEDY}"
        )
    origin = data_source(trained, data)
    ranking = Ranking(
        query_emb=trained.user_emb,
        item_emb=trained.item_emb,
        queries=select(users, trained.user_id, "users", "user", origin),
        mask_index=_seen(trained, exclude_seen, data),
        query_id=trained.user_id,
        item_id=trained.item_id,
        index=item_index,
    )
    if allow is not None or deny is not None:
        is_allowed = np.full(len(trained.item_id), allow is None)
        known = trained.item_id
        if allow is not None:
            allowed = find_positions(allow, known, "allow", "item", False, origin, True)
            is_allowed[allowed] = True
        if deny is not None:
            denied = find_positions(deny, known, "deny", "item", True, origin, True)
            is_allowed[denied] = False
        ranking = ranking.restricted_to(torch.from_numpy(np.flatnonzero(is_allowed)))
    return ranking


def _seen(
    trained: TrainedModel,
    exclude_seen: str,
    data: HeteroData | str | os.PathLike[str] | None,
) -> Tensor:
    if exclude_seen == "none":
        return torch.empty(2, 0, dtype=torch.long)
    pairs = seen_pairs(load_run_data(trained, data), exclude_seen)
    if trained.later_interactions is None:
        return pairs
    return torch.cat([pairs, trained.later_interactions.cpu()], dim=1)


def seen_pairs(data: HeteroData, exclude_seen: str = ALL) -> Tensor:
    """Returns the pairs of user and item of every split, or those of the train split alone if
    :obj:`exclude_seen` is :obj:`"train"`.
    """
    pairs = seen_splits(data, exclude_seen)
    return (pairs[0] if len(pairs) == 1 else torch.cat(pairs, dim=1)).cpu()


def seen_splits(data: HeteroData, exclude_seen: str) -> list[Tensor]:
    """Returns the pairs of :func:`seen_pairs` as they are stored, split by split; none if
    :obj:`exclude_seen` is :obj:`"none"`.
    """
    store = data[INTERACTS]
    names = {ALL: EDGE_INDICES, "train": EDGE_INDICES[:1], "none": ()}[exclude_seen]
    earlier = (TRAINED_EARLIER,) if names else ()
    return [store[name] for name in (*names, *earlier) if name in store]
