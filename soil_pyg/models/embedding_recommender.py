from typing import ClassVar

import torch
from torch.nn import Embedding

from soil_pyg.models.base import Recommender
from soil_pyg.models.graphs import PairTensor
from soil_pyg.utils.checks import check_integer


class EmbeddingRecommender(Recommender):
    r"""A model with one trained embedding per user and per item.

    A subclass that overrides :meth:`reset_parameters` calls it at the end of its :obj:`__init__`.

    Args:
        num_users, num_items, in_channels: See :class:`Recommender`.
        hidden_channels (int, optional): The dimension of the embeddings. (default: :obj:`64`)

    Raises:
        ValueError: If :obj:`hidden_channels` is less than 1.
    """

    user_factor: ClassVar[int] = 1
    """The dimension of a user's embedding as a multiple of :obj:`hidden_channels`."""

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
    ) -> None:
        super().__init__(num_users, num_items, in_channels)
        check_integer("hidden_channels", hidden_channels, 1)
        self.hidden_channels = hidden_channels
        self.user_embedding = Embedding(num_users, self.user_factor * hidden_channels)
        self.item_embedding = Embedding(num_items, hidden_channels)
        if type(self).reset_parameters is EmbeddingRecommender.reset_parameters:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws both tables of embeddings again (Xavier uniform)."""
        torch.nn.init.xavier_uniform_(self.user_embedding.weight)
        torch.nn.init.xavier_uniform_(self.item_embedding.weight)

    @property
    def tables(self) -> PairTensor:
        """The trained embeddings of all users and of all items."""
        return self.user_embedding.weight, self.item_embedding.weight
