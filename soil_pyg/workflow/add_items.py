import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.datasets.features import to_features
from soil_pyg.datasets.frames import find_ids, read_ids
from soil_pyg.models import SOIL
from soil_pyg.models.nearest_known import count_modalities, mean_of_neighbours, nearest_known
from soil_pyg.models.soil_graphs import USER_ITEM
from soil_pyg.models.soil_newcomers import embed_new_items
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import FEATURE_PREFIX, ITEM, modalities_of
from soil_pyg.workflow.run_data import graph_options, load_run_data, with_graph

K = 10
"""The number of neighbours where the run has no such option."""


def add_items(
    trained: TrainedModel,
    data: HeteroData | str | os.PathLike[str] | None,
    features: Mapping[str, np.ndarray | Tensor],
    ids: Sequence[Any],
) -> TrainedModel:
    r"""Adds items that nobody has interacted with, placed by their features, without training.

    The neighbours of a new item :math:`n` are, in each modality :math:`m` that it has, the
    :math:`k` known items of the largest positive cosines :math:`S_m[n, j]`, :math:`k` being that
    of the run's graphs. Means over them are weighted by :math:`S_m`; a mean over all modalities is
    that of the modalities that the item has, written :math:`\langle \cdot \rangle` below.

    **SOIL.** What comes from interactions is the neighbours' mean, what comes from features the
    item's own: the embedding :math:`\mathbf{x}_n = \langle \mathbf{x}_j \rangle`, the content
    embedding :math:`\mathbf{e}_n = \langle \mathbf{e}_j \rangle`, and in each layer of a view

    .. math::
        \mathbf{v}_{m,n}^{(l)} = \sum_{j \in \mathcal{N}_m(n)} \frac{S_m[n, j] \,
        \mathbf{v}_{m,j}^{(l-1)}}{\sqrt{d_n d_j}} + \left\langle \left(\mathrm{sym}
        (\hat{\mathbf{S}}_m) \mathbf{V}_m^{(l-1)}\right)_j \right\rangle_m, \qquad
        \mathbf{v}_{m,n}^{(0)} = \mathbf{x}_n \odot g_m(\mathbf{f}_{m,n})

    with the gate :math:`g_m` of its own features :math:`\mathbf{f}_{m,n}`. The first sum is the row
    that the similarity graph would have (:math:`n` itself and its :math:`k - 1` nearest, :math:`d`
    the row sums); the rows of the interest graph come from users, and are the neighbours' mean in
    that modality. The model's own attention fuses the views. Nothing changes for known items.

    **Every other model** whose score is a product of dense embeddings, such as LightGCN, BPR, VBPR
    or FREEDOM: the final embedding is :math:`\langle \mathbf{f}_j \rangle`.

    Args:
        trained (TrainedModel): What :func:`soil_pyg.load` returns.
        data (HeteroData, str or os.PathLike, optional): The data, with or without its graphs, or
            its folder; :obj:`None` for the folder that the run was trained on.
        features (mapping): By modality, the features of the new items, one row an item, made as
            those of the data were; a row of zeros is a missing modality. Modalities that the model
            does not read are ignored.
        ids (sequence): The ids of the new items, one a row.

    Returns:
        The trained model with the new items at the end of :obj:`item_emb` and :obj:`item_id`. Its
        :obj:`model` still knows those of the training only.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If an id is known or repeated, the features do not fit those of the data, an
            item has no feature or no neighbour, or the embeddings are sparse.
    """
    if trained.item_emb.is_sparse:
        raise ValueError(
            f"{trained.model.__class__.__name__} has no place for items without interactions: its "
            "embeddings are sparse"
        )
    known = load_run_data(trained, data)
    new_id = _read_ids(ids, trained.item_id)
    new = _read_features(trained, known, features, new_id)
    similarities = nearest_known(known, new, trained.settings.get("k", K))
    lonely = count_modalities(similarities) == 0
    if lonely.any():
        raise ValueError(
            f"'features': item '{new_id[int(lonely.nonzero()[0])]}' has no features, or is like no "
            "known item in any modality"
        )
    if isinstance(trained.model, SOIL):
        known = with_graph(trained, known, USER_ITEM)
        emb = embed_new_items(trained.model, known, graph_options(trained), new, similarities)
    else:
        known_emb = trained.item_emb[: known[ITEM].num_nodes]
        emb = mean_of_neighbours(similarities, known_emb)
    return replace(
        trained,
        item_emb=torch.cat([trained.item_emb, emb.to(trained.item_emb)]),
        item_id=np.concatenate([trained.item_id, new_id]),
        folder=None,
    )


def _read_ids(ids: Sequence[Any], known: np.ndarray) -> np.ndarray:
    new = list(ids)
    if not new:
        raise ValueError("'ids' must name at least one item")
    read = read_ids(new, lambda row: f"'ids', position {row}")
    new_id = read.values[read.position]
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
    known = modalities_of(data)
    for modality in features:
        if modality not in known:
            there = ", ".join(known) or "none"
            raise ValueError(f"'features' names '{modality}', but the data has {there}")
    new = {}
    for modality in list(trained.model.in_channels) or known:
        size = data[ITEM][FEATURE_PREFIX + modality].size(1)
        given = features.get(modality, np.zeros((len(new_id), size)))
        name = f"features[{modality!r}]"
        matrix = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
        if matrix.shape != (len(new_id), size):
            raise ValueError(
                f"{name} must have {len(new_id)} rows, one an id, and {size} columns, as in the "
                f"data (got shape {matrix.shape})"
            )
        new[modality] = to_features(matrix, name, lambda row: f"the row of item '{new_id[row]}'")
    return new
