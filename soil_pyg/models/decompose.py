"""Embeddings as sums over the edges that leave a user, in double precision."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.nn import Linear
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import EdgeStorage
from torch_geometric.typing import EdgeType

from soil_pyg.models.explanation import CONTENT, INTERACTION, OWN, SECOND_ORDER
from soil_pyg.models.graphs import PairTensor, adjacency
from soil_pyg.models.newcomers import messages
from soil_pyg.nn import LightPropagation
from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, modalities_of

Shares: TypeAlias = Callable[[Tensor, list[Tensor]], list[Tensor | float]]
"""Returns the factor of each view of a node, given its content embedding and its views."""

Model = TypeVar("Model", bound=torch.nn.Module)


class Summands(NamedTuple):
    """Summands of one kind in the embedding of a user."""

    kind: str
    """:obj:`"own"`, :obj:`"interaction"` or :obj:`"second_order"`."""
    modality: str
    """:obj:`"content"`, or the modality of the view."""
    item: Tensor
    """The item of each summand, -1 for the user's own embedding."""
    vector: Tensor
    """The summands, of shape :obj:`[num_summands, channels]`."""


class FirstHops:
    """The edges over which embeddings of items reach a user, with their weights.

    Args:
        data (HeteroData): The data with its graphs.
        edge_type (tuple): The edge type, user -> item.
        attr (str, optional): The weights of the interactions in this graph; :obj:`None` for 1.
        second_order (EdgeStorage, optional): The second-order edges in this graph.
    """

    def __init__(
        self,
        data: HeteroData,
        edge_type: EdgeType,
        attr: str | None = "norm_weight",
        second_order: EdgeStorage | None = None,
    ) -> None:
        self._graph = adjacency(data, edge_type)
        self._edges = self._graph.t()
        self._interactions = data[INTERACTS]
        self._attr = attr
        self._second_order = second_order

    def split(self, propagation: LightPropagation, x: PairTensor) -> PairTensor:
        """Returns the share of each user in its own propagated embedding, and the message that each
        item sends over an edge of weight 1.
        """
        return x[0] / (propagation.num_layers + 1), messages(propagation, x, self._graph)

    def gather(self, user: int, x: Tensor) -> Tensor:
        """Returns the weighted sum of the embeddings :obj:`x` of the items that reach a user."""
        return self._edges.select_rows(torch.tensor([user])).matmul(x)[0]

    def of_user(self, user: int) -> list[tuple[str, Tensor, Tensor]]:
        """Returns the kind, the items and the weights of the edges of a user.

        An item that is both an interaction and second-order has its share of the weight in each.
        """
        row = self._edges.select_rows(torch.tensor([user]))
        item, weight = row.col.long(), row.weight.double()
        store = self._interactions
        mine = store.edge_index[0] == user
        is_first, is_second = (torch.zeros_like(item, dtype=torch.bool) for _ in range(2))
        place = torch.searchsorted(item, store.edge_index[1, mine])
        is_first[place] = True
        first = torch.zeros_like(weight)
        first[place] = 1.0 if self._attr is None else store[self._attr][mine].double()
        if self._second_order is not None:
            second = self._second_order.edge_index
            is_second = torch.isin(item, second[1, second[0] == user])
        first = torch.where(is_second, first, weight)
        groups = [(INTERACTION, is_first, first), (SECOND_ORDER, is_second, weight - first)]
        return [(kind, item[mask], value[mask].unsqueeze(1)) for kind, mask, value in groups]


@dataclass
class Decomposition:
    """The summands of the embeddings of users and of items, in double precision.

    The models construct it, see :meth:`soil_pyg.models.Recommender.decompose`.

    Args:
        content ((Tensor, Tensor)): The content embeddings of users and of items.
        own (Tensor): The part of the content embeddings of users that comes over no edge.
        hops (FirstHops, optional): The edges over which the rest comes.
        messages (Tensor, optional): The embeddings that items send over an edge of weight 1.
        views (dict[str, Tensor], optional): The views of the items by modality.
        view_hops (FirstHops, optional): The edges over which users gather the views.
        shares (callable, optional): See :obj:`Shares`.
    """

    content: PairTensor
    own: Tensor
    hops: FirstHops | None = None
    messages: Tensor | None = None
    views: dict[str, Tensor] = field(default_factory=dict)
    view_hops: FirstHops | None = None
    shares: Shares | None = None

    def of_user(self, user: int) -> list[Summands]:
        """Returns the summands of the embedding of a user."""
        parts = [Summands(OWN, CONTENT, torch.tensor([-1]), self.own[user : user + 1])]
        if self.hops is not None and self.messages is not None:
            for kind, item, weight in self.hops.of_user(user):
                parts.append(Summands(kind, CONTENT, item, weight * self.messages[item]))
        if self.shares is not None and self.view_hops is not None:
            edges = self.view_hops.of_user(user)
            views = [self.view_hops.gather(user, view) for view in self.views.values()]
            shares = self.shares(self.content[0][user], views)
            for (modality, view), share in zip(self.views.items(), shares, strict=True):
                for kind, item, weight in edges:
                    parts.append(Summands(kind, modality, item, share * weight * view[item]))
        return parts

    def of_item(self, item: int) -> dict[str, Tensor]:
        """Returns the summands of the embedding of an item by modality, its content first."""
        parts: dict[str, Tensor] = {CONTENT: self.content[1][item]}
        views = [view[item] for view in self.views.values()]
        shares = [] if self.shares is None else self.shares(parts[CONTENT], views)
        for modality, share, view in zip(self.views, shares, views, strict=True):
            parts[modality] = share * view
        return parts


def attention(project: Linear, query: Linear, views: list[Tensor]) -> Tensor:
    """Returns the attention that each view of a node gets from a hidden and an output layer."""
    scores: Tensor = query(project(torch.stack(views)).tanh())
    return scores.softmax(dim=0).view(-1)


def double_copy(model: Model) -> Model:
    """Returns a copy of a model in double precision and evaluation mode, without gradients."""
    return copy.deepcopy(model).double().eval().requires_grad_(False)


def double_features(data: HeteroData) -> HeteroData:
    """Returns a copy of the data whose features are in double precision."""
    data = copy.copy(data)
    for modality in modalities_of(data):
        name = FEATURE_PREFIX + modality
        data[ITEM][name] = data[ITEM][name].double()
    return data
