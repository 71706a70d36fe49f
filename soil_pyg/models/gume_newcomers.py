"""Embeddings of users that :class:`~soil_pyg.models.GUME` was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.graphs import MakeTransform, with_graphs
from soil_pyg.models.gume_graphs import LINKED, LINKS
from soil_pyg.models.new_user_rows import NewUserRows
from soil_pyg.models.newcomers import NewUserEmbedder
from soil_pyg.ops.degrees import item_degree

if TYPE_CHECKING:
    from soil_pyg.models.gume import GUME


def new_user_embedder(
    self: GUME, data: HeteroData, make_transform: MakeTransform, item_emb: Tensor
) -> NewUserEmbedder:
    """Folds new users into the graph, as :meth:`LightGCN.new_user_embedder` does; their views are
    those of their items.
    """
    data = with_graphs(data, LINKED, make_transform)
    links = torch.bincount(data[LINKS].edge_index[1], minlength=self.num_items)
    rows = NewUserRows(item_degree(data) + links)
    return self.fold_users(data, self.messages(data), lambda *new: (rows(*new),) * 2)
