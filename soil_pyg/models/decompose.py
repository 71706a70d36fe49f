"""The sums that the embeddings of a user and of an item are, in double precision."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType

from soil_pyg.models import BPR, MGCN, SOIL, LightGCN, Recommender
from soil_pyg.models.explanation import CONTENT, INTERACTION, OWN, SECOND_ORDER
from soil_pyg.models.graphs import adjacency, features, similar
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, item_item
from soil_pyg.nn import LightPropagation
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.typing import INTERACTS
from soil_pyg.typing import SECOND_ORDER as SECOND_ORDER_EDGES


class Graphs(NamedTuple):
    """The edge types over which a model propagates."""

    content: EdgeType | None = None
    """From users to items, for the content embeddings."""
    aggregation: EdgeType | None = None
    """From users to the items whose views they gather."""
    items: Callable[[str], EdgeType] | None = None
    """Between items, by modality, for their views."""


class Parts(NamedTuple):
    """Summands of a user's embedding that are of one kind."""

    kind: str
    modality: str
    item: Tensor
    """The item of each, -1 where there is none."""
    vector: Tensor
    """One row each."""


class ScoreParts:
    """Takes the embeddings of users and of items apart, which :func:`soil_pyg.explain` defines.

    Args:
        model (Recommender): A model of :func:`graphs_of`.
        data (HeteroData): The data with the graphs of the model.
    """

    @torch.no_grad()
    def __init__(self, model: Recommender, data: HeteroData) -> None:
        own: Any = copy.deepcopy(model).double().eval().requires_grad_(False)
        self._model = own
        self._data = data
        # To look an edge type up that the data lacks would add it.
        has_second = isinstance(model, SOIL) and SECOND_ORDER_EDGES in data.edge_types
        self._second = data[SECOND_ORDER_EDGES] if has_second else None
        graphs = graphs_of(model)
        x = own.user_embedding.weight, own.item_embedding.weight
        self._own: Tensor = x[0]
        self._content: tuple[Tensor, Tensor] = x
        self._edges: Adjacency | None = None
        if graphs.content is not None:
            graph, propagation = adjacency(data, graphs.content), own.propagation
            self._own = x[0] / (propagation.num_layers + 1)
            self._messages = messages(propagation, x, graph)
            self._content = propagation(x, graph)
            self._edges = graph.t()
        self._views: dict[str, Tensor] = {}
        if graphs.items is not None and graphs.aggregation is not None:
            self._aggregation = adjacency(data, graphs.aggregation).t()
            for modality in own.in_channels:
                self._views[modality] = self._view(modality, graphs.items(modality))

    @torch.no_grad()
    def of_user(self, user: int) -> list[Parts]:
        """Returns the summands of a user's embedding.

        Args:
            user (int): The user.
        """
        parts = [Parts(OWN, CONTENT, torch.tensor([-1]), self._own[user : user + 1])]
        if self._edges is not None:
            for kind, item, weight in self._first_hops(self._edges, user, "norm_weight"):
                parts.append(Parts(kind, CONTENT, item, weight * self._messages[item]))
        if self._views:
            # The paper adds the graphs up as they are, and normalises nothing.
            is_sum = self._second is not None and "aggregation_weight" not in self._second
            hops = self._first_hops(self._aggregation, user, None if is_sum else "norm_weight")
            row = self._aggregation.select_rows(torch.tensor([user]))
            views = [row.matmul(view)[0] for view in self._views.values()]
            shares = self._shares(self._content[0][user], views)
            for (modality, view), share in zip(self._views.items(), shares, strict=True):
                for kind, item, weight in hops:
                    parts.append(Parts(kind, modality, item, share * weight * view[item]))
        return parts

    @torch.no_grad()
    def of_item(self, item: int) -> dict[str, Tensor]:
        """Returns the summands of an item's embedding by modality, its content first.

        Args:
            item (int): The item.
        """
        parts = {CONTENT: self._content[1][item]}
        views = [view[item] for view in self._views.values()]
        shares = self._shares(parts[CONTENT], views) if views else []
        for modality, share, view in zip(self._views, shares, views, strict=True):
            parts[modality] = share * view
        return parts

    def _view(self, modality: str, graph: EdgeType) -> Tensor:
        model = self._model
        x = features(self._data, modality).double()
        if isinstance(model, MGCN):
            x = model.features[modality](x)
        view = model.gates[modality](x, model.item_embedding.weight)
        for _ in range(model.num_item_layers):
            view = model.conv(view, adjacency(self._data, graph))
        return view

    def _first_hops(
        self, edges: Adjacency, user: int, attr: str | None
    ) -> list[tuple[str, Tensor, Tensor]]:
        # Kind, items and weights of the user's edges. An item of both kinds has a share of the
        # weight in each.
        row = edges.select_rows(torch.tensor([user]))
        item, weight = row.col.long(), row.weight.double()
        store = self._data[INTERACTS]
        mine = store.edge_index[0] == user
        is_first, is_second = (torch.zeros_like(item, dtype=torch.bool) for _ in range(2))
        place = torch.searchsorted(item, store.edge_index[1, mine])
        is_first[place] = True
        first = torch.zeros_like(weight)
        first[place] = 1.0 if attr is None else store[attr][mine].double()
        if self._second is not None:
            second = self._second.edge_index
            is_second = torch.isin(item, second[1, second[0] == user])
        first = torch.where(is_second, first, weight)
        groups = [(INTERACTION, is_first, first), (SECOND_ORDER, is_second, weight - first)]
        return [(kind, item[mask], value[mask].unsqueeze(1)) for kind, mask, value in groups]

    def _shares(self, content: Tensor, views: list[Tensor]) -> list[Tensor | float]:
        # What each view of a node is multiplied with in its side embedding.
        model, count = self._model, len(views)
        if isinstance(model, SOIL):
            divisor = count + 1 if model.fusion.divide else 1
            if count == 1:
                return [1 / divisor]
            return list((1 - _attention(model.fusion, views)) / divisor)
        if count == 1:
            return [0.5]
        gates = [linear(content).sigmoid() for linear in model.preferences.values()]
        common = 1 - torch.stack(gates).sum(dim=0)
        return [
            (weight * common + gate) / (count + 1)
            for weight, gate in zip(_attention(model, views), gates, strict=True)
        ]


def graphs_of(model: Recommender) -> Graphs:
    """Returns the graphs of a model whose score can be taken apart.

    Args:
        model (Recommender): The model.

    Raises:
        ValueError: If it cannot.
    """
    if isinstance(model, SOIL):
        return Graphs(USER_ITEM, AGGREGATION, item_item)
    if isinstance(model, MGCN):
        return Graphs(INTERACTS, INTERACTS, similar)
    if isinstance(model, LightGCN):
        return Graphs(INTERACTS)
    if isinstance(model, BPR):
        return Graphs()
    raise ValueError(
        f"The score of {model.__class__.__name__} cannot be taken apart: 'explain' knows SOIL, "
        "MGCN, LightGCN and BPR"
    )


def messages(propagation: LightPropagation, x: tuple[Tensor, Tensor], graph: Adjacency) -> Tensor:
    r"""Returns what users get from each item over an edge of weight 1.

    .. math::
        \mathbf{H} = \frac{1}{L + 1} \sum_{l=0}^{L-1} (\mathbf{A}^l \mathbf{X})_{\text{items}},
        \qquad \text{so that} \qquad \bar{\mathbf{x}}_u = \frac{\mathbf{x}_u}{L + 1} + \sum_j
        A_{uj} \, \mathbf{h}_j

    Args:
        propagation (LightPropagation): The propagation.
        x ((Tensor, Tensor)): The embeddings of users and of items.
        graph (Adjacency): The edges, user -> item.
    """
    total = torch.zeros_like(x[1])
    for _ in range(propagation.num_layers):
        total = total + x[1]
        x = propagation.conv(x, graph)
    return total / (propagation.num_layers + 1)


def _attention(module: Any, views: list[Tensor]) -> Tensor:
    return module.query(module.project(torch.stack(views)).tanh()).softmax(dim=0).view(-1)
