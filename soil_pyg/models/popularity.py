import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.models.graphs import distinct_interactions
from soil_pyg.typing import Triplets


class Popularity(Recommender):
    r"""Recommends the items with the most interactions to everyone.

    .. math::
        \hat{y}_{ui} = |\mathcal{U}(i)|

    with :math:`\mathcal{U}(i)` the users who interacted with item :math:`i` in training. A model
    that is no better than this baseline has learned nothing about its users.

    Args:
        num_users, num_items, in_channels: See :class:`Recommender`.

    Example:
        >>> data = HeteroData()
        >>> data["user", "interacts", "item"].edge_index = torch.tensor([[0, 1], [1, 1]])
        >>> user_emb, item_emb = Popularity(num_users=2, num_items=2)(data)
        >>> user_emb @ item_emb.t()
        tensor([[0., 2.], [0., 2.]])
    """

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns ones for the users and the counts of the items, in one dimension."""
        _, item = distinct_interactions(data, (self.num_users, self.num_items))
        count = torch.bincount(item, minlength=self.num_items).float()
        return torch.ones(self.num_users, 1, device=item.device), count.unsqueeze(1)

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns no terms: there is nothing to train."""
        return {}
