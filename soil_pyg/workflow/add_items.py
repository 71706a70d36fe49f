import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.datasets.feature_table import to_array
from soil_pyg.datasets.features import to_features
from soil_pyg.datasets.ids import find_ids, join_ids, read_ids
from soil_pyg.models.newcomers import count_modalities, nearest_known
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import features_of
from soil_pyg.workflow.options import select_features
from soil_pyg.workflow.run_data import load_run_data, open_run, run_transform

K = 10
"""The number of neighbours if the run has no option :obj:`k`."""


def add_items(
    trained: TrainedModel | str | os.PathLike[str],
    data: HeteroData | str | os.PathLike[str] | None,
    features: Mapping[str, np.ndarray | Tensor],
    ids: Sequence[Any],
) -> TrainedModel:
    r"""Adds items that nobody has interacted with, by their features, without training.

    The neighbours of a new item are, in each of its modalities, the :math:`k` known items with the
    largest positive cosine similarities, with :math:`k` as in the graphs of the run. The model
    embeds the items by :meth:`~soil_pyg.models.Recommender.embed_new_items`: SOIL and PGL compute
    them from their own features, every other model takes the weighted mean of the embeddings of the
    neighbours. Nothing changes for known items.

    Args:
        trained (TrainedModel, str or os.PathLike): The trained model, of :func:`soil_pyg.load`, or
            its folder.
        data (HeteroData, str or os.PathLike, optional): The data, with or without its graphs, or
            its folder; :obj:`None` for the folder that the run was trained on.
        features (mapping): The features of the new items by modality, one row per item, computed
            as those of the data were; a row of zeros is a missing modality. Modalities that the
            model does not read are ignored.
        ids (sequence): The ids of the new items, one per row.

    Returns:
        The trained model with the new items at the end of :obj:`item_emb` and :obj:`item_id`. Its
        :obj:`model` still has only the items of the training.

    Raises:
        FileNotFoundError: If the data folder does not exist.
        ValueError: If an id is known or repeated, the features do not fit those of the data, an
            item has no feature or no neighbour, or the model cannot embed new items.
    """
    trained = open_run(trained)
    known = load_run_data(trained, data)
    new_id = _read_ids(ids, trained.item_id)
    new = _read_features(trained, known, features, new_id)
    neighbours = nearest_known(known, new, trained.settings.get("k", K))
    lonely = count_modalities(neighbours) == 0
    if lonely.any():
        raise ValueError(
            f"'features': item '{new_id[int(lonely.nonzero()[0])]}' has no features, or no known "
            "item is similar to it in any modality"
        )
    with torch.no_grad():
        emb = trained.model.embed_new_items(
            known, partial(run_transform, trained), trained.item_emb, new, neighbours
        )
    return replace(
        trained,
        item_emb=torch.cat([trained.item_emb, emb.to(trained.item_emb)]),
        item_id=join_ids(trained.item_id, new_id),
        folder=None,
    )


def _read_ids(ids: Sequence[Any], known: np.ndarray) -> np.ndarray:
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise ValueError(f"'ids' must be a list of ids (got {ids!r})")
    new = list(ids)
    if nested := [value for value in new if not isinstance(value, Hashable)]:
        raise ValueError(f"'ids' must hold texts or numbers (got {nested[0]!r})")
    if not new:
        raise ValueError("'ids' must name at least one item (got none)")
    read = read_ids(new, lambda row: f"'ids', position {row}")
    new_id: np.ndarray = read.values[read.position]
    first = np.unique(read.position, return_index=True)[1][read.position]
    for bad, problem in [
        (find_ids(new_id, known) >= 0, "the run has this item already"),
        (first < np.arange(len(new)), "the item is given twice"),
    ]:
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(f"'ids', position {row}: {problem} (got '{new_id[row]}')")
    return new_id


def _read_features(
    trained: TrainedModel,
    data: HeteroData,
    features: Mapping[str, np.ndarray | Tensor],
    new_id: np.ndarray,
) -> dict[str, Tensor]:
    if not isinstance(features, Mapping):
        raise ValueError(f"'features' must map modalities to matrices (got {features!r})")
    select_features(data, features, "features")
    used = select_features(data, trained.model.in_channels, "data") or features_of(data)
    if not used:
        raise ValueError("'data' must have features of the items to embed new ones (got none)")
    new = {}
    for modality, known in used.items():
        size = known.size(1)
        given = features.get(modality, np.zeros((len(new_id), size)))
        name = f"features[{modality!r}]"
        matrix = to_array(given, name)
        if matrix.shape != (len(new_id), size):
            raise ValueError(
                f"{name} must have {len(new_id)} rows, one per id, and {size} columns, as in the "
                f"data (got shape {matrix.shape})"
            )
        new[modality] = to_features(matrix, name, lambda row: f"the row of item '{new_id[row]}'")
    return new
