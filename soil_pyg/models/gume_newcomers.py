"""Embeddings of users that :class:`~soil_pyg.models.GUME` was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.graphs import MakeTransform, with_graphs
from soil_pyg.models.gume_graphs import LINKED, LINKS, normalize_linked
from soil_pyg.models.newcomers import extend_users, rows_of_new
from soil_pyg.models.view_recommender import NO_USERS

if TYPE_CHECKING:
    from soil_pyg.models.gume import GUME


def embed_new_users(
    self: GUME,
    data: HeteroData,
    make_transform: MakeTransform,
    item_emb: Tensor,
    edge_index: Tensor,
    num_new_users: int,
) -> Tensor:
    """Folds new users into the graph, as :meth:`LightGCN.embed_new_users` does; their views are
    those of their items.
    """
    data = with_graphs(data, LINKED, make_transform)
    extended = extend_users(data, edge_index, num_new_users)
    extended[LINKS].edge_index = data[LINKS].edge_index
    rows = rows_of_new(normalize_linked(extended), LINKED, num_new_users)
    content = rows @ self.messages(data)
    views = [rows @ view for view in self.propagate(data, NO_USERS)[2]]
    return content + self.fuse(content, views)
