import logging

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.typing import EdgeType
from typing_extensions import Unpack

from soil_pyg.ops.attractiveness_rows import AttractivenessRows
from soil_pyg.ops.collector import Features
from soil_pyg.ops.knn import KNN
from soil_pyg.ops.search_options import SearchKwargs, takes_search_options
from soil_pyg.ops.second_order_items import SecondOrderSelection
from soil_pyg.transforms.edges import distinct_edges
from soil_pyg.transforms.utils import SimilarityTransform
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.checks import check_choice, check_edge_type, check_flag, check_integer
from soil_pyg.utils.data_checks import count_nodes

SAMPLE = 128
"""The number of users whose exact graph measures the recall of an approximate search."""

NEIGHBOURS = (16, 24, 32, 48, 64, 96, 128)
"""The numbers of neighbours per item and modality that an approximate search may compare."""

logger = logging.getLogger("soil_pyg")


@functional_transform("second_order_graph")
class SecondOrderGraph(SimilarityTransform[AttractivenessRows]):
    r"""Links each user with the items that the user nearly chose (Eq. 2-3).

    .. math::
        \mathrm{top}_{k_a} \max_{i \in \mathcal{I}(u)} S_a[i, j] \quad \text{over } j \notin
        \mathcal{I}(u), \qquad S_a[i, j] = \prod_m S_m[i, j]

    weighted with that maximum, from `"SOIL: Contrastive Second-Order Interest Learning for
    Multimodal Recommendation" <https://doi.org/10.1145/3664647.3681207>`_ (functional name:
    :obj:`second_order_graph`). The product is over the modalities that both items have.

    The released code keeps the items of :math:`\mathcal{I}(u)`, takes the :math:`K = k_a +
    |\mathcal{I}(u)|` largest entries of the pooled rows :math:`S_a[i, :]` and sums those of the
    same item: :obj:`exclude_interacted=False` and :obj:`aggr="sum"`. Edges run user -> item, are
    sorted by (user, item) and named :obj:`(user, "second_order", item)`.

    Args:
        k_a (int, optional): The number of second-order items per user, fewer where fewer have a
            positive similarity. (default: :obj:`2`)
        aggr (str, optional): :obj:`"max"` ranks items by their largest entry, :obj:`"sum"` ranks
            entries and adds up those of the same item. (default: :obj:`"max"`)
        exclude_interacted (bool, optional): If set to :obj:`False`, the items of
            :math:`\mathcal{I}(u)` are candidates and :math:`|\mathcal{I}(u)|` more are taken.
            (default: :obj:`True`)
        modalities (list[str], optional): The modalities. (default: :obj:`None`, all of the data)
        negative (str, optional): :obj:`"drop"` leaves out entries that are not positive,
            :obj:`"keep"` keeps them, as the released code does. (default: :obj:`"drop"`)
        edge_type (tuple, optional): The edge type of the interactions, user -> item.
            (default: :obj:`("user", "interacts", "item")`)
        **search_options (optional): How the nearest items are searched: the arguments of
            :class:`~soil_pyg.nn.SearchOptions`.

    Example:
        >>> data = HeteroData()
        >>> data["user"].num_nodes = 1
        >>> data["item"].x_image = torch.tensor([[1.0, 0.0], [4.0, 3.0], [0.0, 2.0]])
        >>> data["user", "interacts", "item"].edge_index = torch.tensor([[0], [0]])
        >>> data = SecondOrderGraph(k_a=1)(data)
        >>> data["user", "second_order", "item"].edge_index
        tensor([[0], [1]])
        >>> data["user", "second_order", "item"].edge_weight
        tensor([0.8000])
    """

    @takes_search_options
    def __init__(
        self,
        k_a: int = 2,
        aggr: str = "max",
        exclude_interacted: bool = True,
        modalities: list[str] | None = None,
        negative: str = "drop",
        edge_type: EdgeType = INTERACTS,
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        check_edge_type("edge_type", edge_type)
        super().__init__(modalities, negative, edge_type[2], **search_options)
        check_integer("k_a", k_a, 1)
        check_flag("exclude_interacted", exclude_interacted)
        check_choice("aggr", aggr, ("max", "sum"))
        self.k_a = k_a
        self.aggr = aggr
        self.exclude_interacted = exclude_interacted
        self.edge_type = edge_type

    def collector(self, data: HeteroData, features: Features) -> AttractivenessRows:
        """Returns the collector of the rows of :math:`S_a`."""
        edge_index = distinct_edges(data, self.edge_type)
        user_type, _, item_type = self.edge_type
        rows = AttractivenessRows(features, self.search_options.memory_budget)
        if not self.search_options.is_exact(count_nodes(data, item_type)):
            num_users = count_nodes(data, user_type)
            sample = torch.zeros(num_users, dtype=torch.bool, device=edge_index.device)
            chosen = torch.unique(edge_index[0])
            sample[chosen[:: max(1, -(-chosen.numel() // SAMPLE))]] = True
            edge_index = edge_index[:, sample[edge_index[0]]]
            rows.expected = self.select(rows, edge_index, num_users)[0]
            rows = self._with_enough_neighbours(rows, edge_index, num_users)
        return rows

    def build(self, data: HeteroData, features: Features, rows: AttractivenessRows) -> HeteroData:
        """Adds the graph to the data."""
        edge_index = distinct_edges(data, self.edge_type)
        user_type, _, item_type = self.edge_type
        num_users, num_items = count_nodes(data, user_type), count_nodes(data, item_type)
        rows.finish()
        key, weight = self.select(rows, edge_index, num_users)
        store = data[user_type, "second_order", item_type]
        store.edge_index = torch.stack([key // num_items, key % num_items])
        store.edge_weight = weight
        store.search = dict(next(iter(rows.report.values())))
        if not self.search_options.is_exact(num_items):
            recall, num_neighbours = rows.recall(key), rows.num_neighbours
            store.search |= {"recall": recall, "neighbours": num_neighbours}
            logger.info("%d neighbours: %.3f of second-order items found", num_neighbours, recall)
            remedy = "raise 'recall', or use index='Flat', which compares all items"
            self.search_options.check_recall(recall, "second-order items", remedy)
        return data

    def select(
        self, rows: AttractivenessRows, edge_index: Tensor, num_users: int
    ) -> tuple[Tensor, Tensor]:
        """Returns the edges as ascending keys :obj:`user * num_items + item`, and their weights.

        Rows that were not gathered are computed where they are needed.
        """
        user, item = edge_index[:, torch.argsort(edge_index[0] * rows.num_items + edge_index[1])]
        options = self.k_a, self.aggr, self.exclude_interacted, self.negative
        return SecondOrderSelection(rows, user, item, num_users, *options).best()

    def _with_enough_neighbours(
        self, exact: AttractivenessRows, edge_index: Tensor, num_users: int
    ) -> AttractivenessRows:
        # An item may be second-order without being near in any modality. With all neighbours of a
        # sample at hand, half of the misses are left to the search.
        options = self.search_options
        item = torch.unique(edge_index[1])
        nearest = []
        for c, has in exact.features.values():
            node, some = has.nonzero().view(-1), item[has[item]]
            knn = KNN(c[node], use_faiss=False, memory_budget=options.memory_budget)
            nearest.append((some, node, knn.find(c[some], NEIGHBOURS[-1])))
        for num_neighbours in NEIGHBOURS:
            rows = AttractivenessRows(exact.features, options.memory_budget, num_neighbours)
            for some, node, neighbour in nearest:
                rows.add_candidates(some, node, neighbour[:, :num_neighbours])
            key, _ = self.select(rows, edge_index, num_users)
            if exact.recall(key) >= (1 + options.recall) / 2:
                break
        out = AttractivenessRows(exact.features, options.memory_budget, num_neighbours)
        out.expected = exact.expected
        return out

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(k_a={self.k_a}, aggr={self.aggr!r}, "
            f"exclude_interacted={self.exclude_interacted}, negative={self.negative!r})"
        )
