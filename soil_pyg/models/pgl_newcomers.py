"""Embeddings of items and users that :class:`~soil_pyg.models.PGL` was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.graphs import MakeTransform, adjacency, with_graphs
from soil_pyg.models.newcomers import (
    NewUserEmbedder,
    fold_users,
    mean_of_neighbours,
    messages,
)
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.typing import INTERACTS

if TYPE_CHECKING:
    from soil_pyg.models.pgl import PGL


def embed_new_items(
    self: PGL,
    data: HeteroData,
    make_transform: MakeTransform,
    item_emb: Tensor,
    features: dict[str, Tensor],
    neighbours: dict[str, Adjacency],
) -> Tensor:
    """Computes the initial embeddings from the features of the items, and takes what reaches
    them over the graphs as the mean over their neighbours.
    """
    known, share = self.tables(data)[1], 1 / (self.propagation.num_layers + 1)
    new = [
        F.normalize(self.projections[modality](features[modality].to(known.dtype)))
        for modality in self.in_channels
    ]
    reached = item_emb[: self.num_items] - share * known
    return share * torch.cat(new, dim=-1) + mean_of_neighbours(neighbours, reached)


def new_user_embedder(
    self: PGL, data: HeteroData, make_transform: MakeTransform, item_emb: Tensor
) -> NewUserEmbedder:
    """Folds new users into the graph of all interactions, see
    :func:`~soil_pyg.models.newcomers.fold_users`.
    """
    data = with_graphs(data, INTERACTS, make_transform)
    sent = messages(self.propagation, self.tables(data), adjacency(data, INTERACTS))
    return fold_users(data, sent)
