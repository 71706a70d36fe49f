import logging
from collections.abc import Iterator

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform
from torch_geometric.typing import EdgeType

from soil_pyg.checks import check_at_least, check_choice
from soil_pyg.nn.exact_topk import ROUNDING
from soil_pyg.nn.product_rows import ProductRows
from soil_pyg.nn.ragged import (
    budget_blocks,
    expand,
    group_pointers,
    order_by_group,
    rank_in_group,
)
from soil_pyg.nn.similarity_pass import Features, SimilarityPass
from soil_pyg.progress import blocks
from soil_pyg.transforms.utils import check_edges, count_nodes, unit_features
from soil_pyg.typing import INTERACTS

FEW = 4
"""How many entries of each row are looked at before the rest."""

SAMPLE = 64
"""The graph of as many users is compared with the exact one after an approximate search."""

logger = logging.getLogger("soil_pyg")


@functional_transform("second_order_graph")
class SecondOrderGraph(BaseTransform):
    r"""Links each user with the items that the user nearly chose (Eq. 2-3).

    .. math::
        \mathrm{top}_{k_a} \max_{i \in \mathcal{I}(u)} S_a[i, j] \quad \text{over } j \notin
        \mathcal{I}(u), \qquad S_a[i, j] = \prod_m S_m[i, j]

    weighted with that maximum, from `"SOIL: Contrastive Second-Order Interest Learning for
    Multimodal Recommendation" <https://doi.org/10.1145/3664647.3681207>`_ (functional name:
    :obj:`second_order_graph`). The product runs over the modalities that both items have.

    The released code keeps the items of :math:`\mathcal{I}(u)`, takes the :math:`K = k_a +
    |\mathcal{I}(u)|` largest entries of the pooled rows :math:`S_a[i, :]` and sums those of the
    same item: :obj:`exclude_interacted=False` and :obj:`aggr="sum"`. Edges run user -> item, are
    sorted by (user, item) and are named :obj:`(user, "second_order", item)`.

    Args:
        k_a (int, optional): The number of second-order items a user; fewer where fewer have a
            positive similarity. (default: :obj:`2`)
        aggr (str, optional): :obj:`"max"` ranks items by their largest entry, :obj:`"sum"` ranks
            entries and adds up those of the same item. (default: :obj:`"max"`)
        exclude_interacted (bool, optional): If set to :obj:`False`, the items of
            :math:`\mathcal{I}(u)` are candidates and :math:`|\mathcal{I}(u)|` more are taken.
            (default: :obj:`True`)
        modalities (list[str], optional): The modalities; :obj:`None` for all of the data.
            (default: :obj:`None`)
        negative (str, optional): :obj:`"drop"` leaves out entries that are not positive,
            :obj:`"keep"` keeps them, as the released code does. (default: :obj:`"drop"`)
        edge_type (tuple, optional): The edge type of the interactions, user -> item.
            (default: :obj:`("user", "interacts", "item")`)
        index (str, optional): :obj:`"Flat"` scores all items, any other index of
            :class:`~soil_pyg.nn.KNN` only the candidates that it finds in any modality, exactly;
            :obj:`"auto"` chooses by the number of items. (default: :obj:`"auto"`)
        memory_budget (int, optional): Bytes that a block may take. (default: :obj:`2**30`)

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

    def __init__(
        self,
        k_a: int = 2,
        aggr: str = "max",
        exclude_interacted: bool = True,
        modalities: list[str] | None = None,
        negative: str = "drop",
        edge_type: EdgeType = INTERACTS,
        index: str = "auto",
        memory_budget: int = 2**30,
    ) -> None:
        check_at_least("k_a", k_a, 1)
        check_choice("aggr", aggr, ("max", "sum"))
        check_choice("negative", negative, ("drop", "keep"))
        self.k_a = k_a
        self.aggr = aggr
        self.exclude_interacted = exclude_interacted
        self.modalities = modalities
        self.negative = negative
        self.edge_type = edge_type
        self.index = index
        self.memory_budget = memory_budget

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graph to the data."""
        features = unit_features(data, self.modalities, self.edge_type[2])
        rows = self.collector(data, features)
        SimilarityPass(features, self.index, self.memory_budget).run(rows)
        return self.build(data, features, rows)

    def collector(self, data: HeteroData, features: Features) -> ProductRows:
        """Returns what gathers the rows of :math:`S_a`, for a pass that several graphs share."""
        check_edges(data, self.edge_type)
        return ProductRows(features, self.memory_budget)

    def build(self, data: HeteroData, features: Features, rows: ProductRows) -> HeteroData:
        """Adds the graph to the data, after the pass."""
        edge_index = check_edges(data, self.edge_type)
        user_type, _, item_type = self.edge_type
        num_users, num_items = count_nodes(data, user_type), count_nodes(data, item_type)
        user, item = edge_index[:, torch.argsort(edge_index[0] * num_items + edge_index[1])]
        rows.finish()
        key, weight = _Pools(self, rows, user, item, num_users).best(self.memory_budget)
        store = data[user_type, "second_order", item_type]
        store.edge_index = torch.stack([key // num_items, key % num_items])
        store.edge_weight = weight
        store.search = {"index": next(iter(rows.search.values()))["index"]}
        if store.search["index"] != "Flat":
            store.search["recall"] = self._recall(features, user, item, num_users, key)
        return data

    def _recall(
        self, features: Features, user: Tensor, item: Tensor, num_users: int, found: Tensor
    ) -> float:
        sample = torch.zeros(num_users, dtype=torch.bool, device=user.device)
        chosen = torch.unique(user)[:: max(1, num_users // SAMPLE)]
        sample[chosen] = True
        rows = ProductRows(features, self.memory_budget)
        rows.start_empty()
        user, item = user[sample[user]], item[sample[user]]
        key = _Pools(self, rows, user, item, num_users).best(self.memory_budget)[0]
        recall = float(torch.isin(key, found).float().mean()) if key.numel() > 0 else 1.0
        logger.info("second-order: %.3f of the items of %d users found", recall, len(chosen))
        return recall

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(k_a={self.k_a}, aggr={self.aggr!r}, "
            f"exclude_interacted={self.exclude_interacted}, negative={self.negative!r})"
        )


class _Pools:
    # The entries of the rows of each user's items; a key is user * I + column.
    def __init__(
        self,
        options: SecondOrderGraph,
        rows: ProductRows,
        user: Tensor,
        item: Tensor,
        num_users: int,
    ) -> None:
        self.options = options
        self.rows = rows
        self.num_items = rows.num_items
        self.user, self.item = user, item
        self.interactions = user * self.num_items + item
        self.first = group_pointers(user, num_users)
        self.history = self.first.diff()
        # The K best entries of a user's pool lie within the K best of each of its rows.
        self.width = (options.k_a + self.history).clamp(max=self.num_items)
        excluded = options.exclude_interacted
        self.take = torch.full_like(self.width, options.k_a) if excluded else self.width
        self.bound = torch.full((num_users,), -torch.inf, device=user.device)

    def best(self, memory_budget: int) -> tuple[Tensor, Tensor]:
        # The keys and weights of the best entries of all users, by key.
        cuts = budget_blocks(self.history * (FEW + self.take), memory_budget // 256)
        for users, user, item in self._blocks(cuts, "comparing second-order items"):
            self._find_bound(users, user, item)
        self._lengthen()
        keys, weights = [], []
        for _, user, item in self._blocks(cuts, "choosing second-order items"):
            key, weight = self._best(user, item)
            keys.append(key)
            weights.append(weight)
        return torch.cat(keys), torch.cat(weights)

    def _blocks(self, cuts: list[slice], text: str) -> Iterator[tuple[slice, Tensor, Tensor]]:
        for step in blocks(len(cuts), 1, text):
            users = cuts[step.start]
            pairs = slice(int(self.first[users.start]), int(self.first[users.stop]))
            yield users, self.user[pairs], self.item[pairs]

    def _find_bound(self, users: slice, user: Tensor, item: Tensor) -> None:
        # Already the first entries of the rows tell what the best are not below.
        few = torch.minimum(self.rows.length[item], FEW + self.take[user] // self.history[user])
        _, value, key = self._entries(user, item, few)
        owner = key // self.num_items - users.start
        self.bound[users] = _nth_value(owner, value, self.take[users]) - 2 * ROUNDING

    def _lengthen(self) -> None:
        # Rows that end above the bound of one of their users may have more of the best.
        end = self.rows.begin + self.rows.length - 1
        last = torch.full_like(end, torch.inf, dtype=torch.float)
        some = self.rows.length > 0
        last[some] = self.rows.values[end[some]]
        short = ~self.rows.is_whole[self.item]
        short &= last[self.item] >= self.bound[self.user] - 2 * ROUNDING
        width = torch.zeros_like(end).scatter_reduce(
            0, self.item[short], self.width[self.user[short]], "amax"
        )
        item = width.nonzero().view(-1)
        if item.numel() > 0:
            self.rows.lengthen(item, width[item])

    def _best(self, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
        begin, length = self.rows.begin[item], self.rows.length[item]
        many = _count_at_least(self.rows.values, begin, length, self.bound[user])
        row, value, key = self._entries(user, item, many)
        owner, inverse = torch.unique_consecutive(key // self.num_items, return_inverse=True)
        take = self.take[owner]
        cut = _nth_value(inverse, value, take)[inverse]
        near = ((value - cut).abs() <= 2 * ROUNDING).nonzero().view(-1)
        value[near] = self.rows.exact(row[near], key[near] % self.num_items)
        order = torch.argsort(key, stable=True)
        order = order[order_by_group(inverse[order], value[order])]
        key, value, inverse = key[order], value[order], inverse[order]
        first = rank_in_group(inverse) < take[inverse]
        key, inverse = torch.unique(key[first], return_inverse=True)
        total = torch.zeros(key.numel(), dtype=torch.float64, device=key.device)
        return key, total.index_add_(0, inverse, value[first].double()).float()

    def _entries(self, user: Tensor, item: Tensor, count: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # The first entries of each row that are candidates: row, value and key.
        position, owner = expand(self.rows.begin[item], count)
        row, value = item[owner], self.rows.values[position]
        key = user[owner] * self.num_items + self.rows.columns[position]
        keep = torch.ones_like(key, dtype=torch.bool)
        if self.options.negative == "drop":
            keep &= value > 0
        if self.options.exclude_interacted:
            last = self.interactions.numel() - 1
            found = torch.searchsorted(self.interactions, key).clamp(max=last)
            keep &= self.interactions[found] != key
        row, value, key = row[keep], value[keep], key[keep]
        if self.options.aggr == "max":
            order = order_by_group(key, value)
            order = order[rank_in_group(key[order]) == 0]
            row, value, key = row[order], value[order], key[order]
        return row, value, key


def _nth_value(group: Tensor, value: Tensor, n: Tensor) -> Tensor:
    # The n-th largest value of each group, minus infinity where a group has fewer.
    order = order_by_group(group, value)
    group, value = group[order], value[order]
    at = rank_in_group(group) == n[group] - 1
    out = torch.full((n.numel(),), -torch.inf, device=value.device)
    out[group[at]] = value[at]
    return out


def _count_at_least(values: Tensor, begin: Tensor, length: Tensor, bound: Tensor) -> Tensor:
    # How many of the descending values from `begin` on are not below the bound, by bisection.
    low, high = torch.zeros_like(length), length.clone()
    for _ in range(int(length.max()).bit_length() if length.numel() > 0 else 0):
        middle = (low + high) // 2
        at = (begin + middle).clamp(max=values.numel() - 1)
        more = (values[at] >= bound) & (middle < high)
        low, high = torch.where(more, middle + 1, low), torch.where(more, high, middle)
    return low
