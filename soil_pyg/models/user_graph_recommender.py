import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.batch_nodes import propagate_to
from soil_pyg.models.graphs import MakeTransform, adjacency, prepared, with_graphs
from soil_pyg.models.new_user_rows import edges_of_new_users
from soil_pyg.models.newcomers import NewUserEmbedder
from soil_pyg.models.preference_recommender import PreferenceRecommender
from soil_pyg.models.user_graph_newcomers import similar_to_new
from soil_pyg.nn import LightConv
from soil_pyg.transforms.user_graph import PADDED, USER_USER, pad_by_copies
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.checks import check_choice


class UserGraphRecommender(PreferenceRecommender):
    r"""A :class:`PreferenceRecommender` whose users also gather the embeddings of similar users.

    .. math::
        \mathbf{F}_u = \mathbf{R}_u + \sum_v G_{uv} \mathbf{R}_v

    with the graph :math:`\mathbf{G}` of :class:`~soil_pyg.transforms.UserGraph`.

    Args:
        num_users, num_items, in_channels, hidden_channels, reg: See
            :class:`PreferenceRecommender`.
        pad (str, optional): :obj:`"none"` weighs the similar users that there are. For a user with
            fewer than :obj:`user_k`, :obj:`"draw"` copies some of them at random in every epoch of
            the training, as the released code does. (default: :obj:`"none"`)
    """

    needed_graph = USER_USER

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        reg: float = 1e-3,
        pad: str = "none",
    ) -> None:
        super().__init__(
            num_users, num_items, in_channels, hidden_channels=hidden_channels, reg=reg
        )
        check_choice("pad", pad, ("none", "draw"))
        self.pad = pad
        self.conv = LightConv()

    def on_epoch_start(self, data: HeteroData) -> None:
        """Draws the copies of similar users."""
        if self.pad == "draw":
            prepared(data, USER_USER, "adjacency")
            pad_by_copies(data)

    def gather_similar(
        self, data: HeteroData, user: Tensor, users: Tensor | None, training: bool
    ) -> Tensor:
        """Adds the weighted embeddings of similar users to those of some users, or of all."""
        is_padded = training and self.pad == "draw" and PADDED in data.edge_types
        graph = adjacency(data, PADDED if is_padded else USER_USER)
        (gathered,) = propagate_to(users, self.conv, [user], graph)
        return gathered + (user if users is None else F.embedding(users, user))

    def new_user_embedder(
        self, data: HeteroData, make_transform: MakeTransform, item_emb: Tensor
    ) -> NewUserEmbedder:
        """Folds new users into the user-item graph and adds the embeddings of similar users, to
        which those that were not trained add nothing.
        """
        data = with_graphs(data, USER_USER, make_transform)
        fold = super().new_user_embedder(data, make_transform, item_emb)
        known = self.combine([user for user, _ in self.encode(data)], self.user_weight.weight)
        interactions, user_k = adjacency(data, INTERACTS), data[USER_USER].user_k

        def embed(edge_index: Tensor, num_new_users: int) -> Tensor:
            new = fold(edge_index, num_new_users)
            edges = edges_of_new_users(edge_index, num_new_users, self.num_items)
            gathered = similar_to_new(interactions, edges, user_k)
            return new + gathered @ torch.cat([known, torch.zeros_like(new)])

        return embed
