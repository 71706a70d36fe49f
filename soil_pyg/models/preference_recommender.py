from abc import abstractmethod
from collections.abc import Mapping
from math import log
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding
from torch_geometric.data import HeteroData
from torch_geometric.nn.inits import reset
from torch_geometric.nn.module_dict import ModuleDict
from torch_geometric.typing import EdgeType

from soil_pyg.models.base import Recommender
from soil_pyg.models.decompose import Decomposition, FirstHops, double_copy, double_features
from soil_pyg.models.graphs import (
    MakeTransform,
    PairTensor,
    adjacency,
    with_graphs,
)
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.models.new_user_rows import NewUserRows
from soil_pyg.models.newcomers import NewUserEmbedder
from soil_pyg.models.preference_decomposition import PreferenceDecomposition
from soil_pyg.nn import BPRLoss, ModalityEncoder
from soil_pyg.nn.split_batch import mean_square
from soil_pyg.ops.degrees import item_degree
from soil_pyg.typing import INTERACTS, USER, Triplets
from soil_pyg.utils.checks import check_at_least, check_integer


class PreferenceRecommender(Recommender):
    r"""A model with the trained preferences of each user in each modality, and one trained weight
    :math:`w_{um}` per user and modality.

    The loss is :math:`- \log_2 \sigma(\hat{y}_{ui} - \hat{y}_{uj})` and a regularisation: the mean
    squares of the preferences of the batch's users and of all weights of users.

    Args:
        num_users, num_items, in_channels: See :class:`Recommender`.
        hidden_channels (int, optional): The dimension of the embeddings of each modality.
            (default: :obj:`64`)
        reg (float, optional): The weight of the regularisation. (default: :obj:`1e-3`)
    """

    multimodal = True
    needed_graph: ClassVar[EdgeType] = INTERACTS
    """The graph without which the data is not prepared for the model."""

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        reg: float = 1e-3,
    ) -> None:
        super().__init__(num_users, num_items, in_channels)
        check_integer("hidden_channels", hidden_channels, 1)
        check_at_least("reg", reg, 0)
        self.hidden_channels = hidden_channels
        self.reg = reg
        self.encoders = self.make_encoders(self.in_channels)
        self.user_weight = Embedding(num_users, len(self.in_channels))
        self.bpr_loss = BPRLoss()

    def make_encoders(self, in_channels: Mapping[str, int]) -> ModuleDict:
        """Returns one encoder per modality, given the numbers of channels of their inputs."""
        channels = self.hidden_channels
        return ModuleDict(
            {m: ModalityEncoder(self.num_users, size, channels) for m, size in in_channels.items()}
        )

    def reset_parameters(self) -> None:
        """Draws the parameters again; the weights of a user add up to 1."""
        reset(self.encoders)
        draw_weights(self.user_weight)

    def node_parameters(self) -> dict[str, str]:
        """Returns the node type of every parameter with one row per node, by its name."""
        return super().node_parameters() | {"user_weight.weight": USER}

    def encode(self, data: HeteroData) -> list[PairTensor]:
        """Returns the propagated embeddings of users and of items in each modality."""
        graph = adjacency(data, INTERACTS)
        return [
            self.encoders[modality](self.item_features(data, modality), graph)
            for modality in self.in_channels
        ]

    def combine(self, views: list[Tensor], weight: Tensor) -> Tensor:
        """Returns the embeddings of some users, given those in each modality and the weights of the
        users.
        """
        weights = weight.t().unsqueeze(-1)
        return torch.cat([w * view for w, view in zip(weights, views, strict=True)], dim=1)

    def split_items(self, item: Tensor, views: list[Tensor]) -> list[Tensor]:
        """Returns the summand or, if modalities are joined, the part of the final embeddings of
        items that comes from each modality, given the embeddings in each modality.
        """
        return list(item.chunk(len(views), dim=1))

    @abstractmethod
    def embed(
        self, data: HeteroData, users: Tensor | None = None, training: bool = False
    ) -> PairTensor:
        """Returns the final embeddings of some users, or of all, and those of all items;
        :obj:`training` chooses the graphs drawn for the epoch.
        """

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items."""
        return self.embed(data)

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the final embeddings, the preferences of users and the regularisation of the
        weights.
        """
        return self.make_tables(users, *self.embed(data, users, self.training))

    def make_tables(self, users: Tensor, user: Tensor, item: Tensor) -> LossTables:
        """Returns the tables of some users, given their final embeddings and those of all items."""
        preferences = [
            F.embedding(users, self.encoders[modality].preference.weight)
            for modality in self.in_channels
        ]
        return LossTables([user, *preferences], [item], {"reg": self.reg * self.regularize()})

    def regularize(self) -> Tensor:
        """Returns the part of the regularisation that is the same for every batch."""
        return self.user_weight.weight.square().mean()

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss, the regularisation and the other terms of the tables."""
        user, *preferences = [F.embedding(batch.user, table) for table in tables.user]
        positive, negative = (
            F.embedding(x, tables.item[0]) for x in (batch.positive, batch.negative)
        )
        reg = torch.stack([mean_square(x) for x in preferences]).sum()
        return {
            "bpr": self.rank(user, positive, negative) / log(2),
            **tables.terms,
            "reg": tables.terms["reg"] + self.reg * reg,
        }

    def rank(self, user: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Returns the ranking loss of triplets of embeddings, with a natural logarithm."""
        loss: Tensor = self.bpr_loss((user * positive).sum(-1), (user * negative).sum(-1))
        return loss

    def new_user_embedder(
        self, data: HeteroData, make_transform: MakeTransform, item_emb: Tensor
    ) -> NewUserEmbedder:
        r"""Folds new users into the user-item graph, which then normalises their edges; they
        receive messages and send none. Their preferences, which are unknown, are zero, and their
        weights are the mean of those of all users.
        """
        data = with_graphs(data, INTERACTS, make_transform)
        rows, sent = NewUserRows(item_degree(data)), self._messages(data).values()
        weight = self.user_weight.weight.mean(dim=0, keepdim=True)

        def embed(edge_index: Tensor, num_new_users: int) -> Tensor:
            new = rows(edge_index, num_new_users)
            return self.combine([new @ items for items in sent], weight)

        return embed

    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        """Splits the embedding of a user by modalities and by the edges that leave the user, and
        that of an item by modalities.
        """
        data = with_graphs(data, self.needed_graph, make_transform)
        model, data = double_copy(self), double_features(data)
        content, sent = model(data), model._messages(data)
        own = [F.normalize(model.encoders[m].preference.weight) for m in sent]
        views = dict(zip(sent, zip(own, sent.values(), strict=True), strict=True))
        users, items = map(list, zip(*model.encode(data), strict=True))
        similar = content[0] - model.combine(users, model.user_weight.weight)
        items = model.split_items(content[1], items)
        return PreferenceDecomposition(
            content,
            similar,
            views,
            model.user_weight.weight,
            model.combine,
            FirstHops(data, INTERACTS),
            dict(zip(sent, items, strict=True)),
        )

    def _messages(self, data: HeteroData) -> dict[str, Tensor]:
        graph = adjacency(data, INTERACTS)
        return {
            modality: self.encoders[modality].messages(self.item_features(data, modality), graph)
            for modality in self.in_channels
        }


def draw_weights(table: Embedding) -> None:
    """Draws the rows of a table: the softmax of a Xavier normal draw."""
    torch.nn.init.xavier_normal_(table.weight)
    with torch.no_grad():
        table.weight.copy_(table.weight.softmax(dim=1))
