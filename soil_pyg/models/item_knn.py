from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose
from torch_geometric.typing import EdgeType

from soil_pyg.models.base import Recommender
from soil_pyg.models.graphs import sparse_embeddings
from soil_pyg.transforms import CoOccurrenceGraph, ToAdjacency
from soil_pyg.typing import ITEM, Triplets

CO_OCCURRENCE: EdgeType = (ITEM, "co_occurrence", ITEM)
"""The graph of the items that share the most users."""


class ItemKNN(Recommender):
    r"""Recommends the items that the users of a user's items interacted with, from the `"Item-Based
    Top-N Recommendation Algorithms" <https://doi.org/10.1145/963770.963776>`_ paper.

    .. math::
        \hat{y}_{ui} = \sum_{j \in \mathcal{I}(u)} s_{ji}, \qquad s_{ji} =
        \frac{|\mathcal{U}(j) \cap \mathcal{U}(i)|}
        {\sqrt{|\mathcal{U}(j)| |\mathcal{U}(i)|} + \lambda}

    where :math:`s_{ji}` counts only if :math:`j` is among the :math:`k` nearest items of
    :math:`i`. There is nothing to train, and both tables of embeddings are sparse.

    Args:
        num_users, num_items, in_channels: See :class:`Recommender`.

    Example:
        >>> import torch
        >>> data = HeteroData()
        >>> data["user"].num_nodes, data["item"].num_nodes = 2, 3
        >>> data["user", "interacts", "item"].edge_index = torch.tensor([[0, 0, 1], [0, 1, 1]])
        >>> data = ItemKNN.graph_transform(k=1)(data)
        >>> user_emb, item_emb = ItemKNN(num_users=2, num_items=3)(data)
        >>> torch.sparse.mm(user_emb, item_emb.t()).to_dense()
        tensor([[0.7071, 0.7071, 0.0000], [0.7071, 0.0000, 0.0000]])
    """

    @classmethod
    def graph_transform(
        cls, k: int = 20, shrink: float = 0.0, memory_budget: int = 2**30
    ) -> BaseTransform:
        r"""Returns the transform that builds the item-item graph.

        Args:
            k (int, optional): The number of nearest items. (default: :obj:`20`)
            shrink (float, optional): :math:`\lambda`, which makes rare items count less.
                (default: :obj:`0.0`)
            memory_budget (int, optional): The number of bytes per block. (default: :obj:`2**30`)
        """
        graph = CoOccurrenceGraph(k, shrink, memory_budget=memory_budget)
        return Compose([graph, ToAdjacency([CO_OCCURRENCE])])

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the interactions of the users and the nearest items of the items, both sparse."""
        return sparse_embeddings(data, CO_OCCURRENCE, (self.num_users, self.num_items))

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns no terms: there is nothing to train."""
        return {}
