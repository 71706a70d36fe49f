from functools import partial

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform
from torch_geometric.typing import EdgeType

from soil_pyg.checks import check_at_least, check_choice
from soil_pyg.nn.adjacency import Adjacency
from soil_pyg.nn.knn import KNN
from soil_pyg.nn.pairs import pair_inner_product
from soil_pyg.nn.ragged import expand, group_pointers
from soil_pyg.progress import blocks
from soil_pyg.transforms.utils import budget_blocks, check_edges, count_nodes, unit_features
from soil_pyg.typing import INTERACTS

USERS_AT_ONCE = 256
"""How many users' candidates of equal interest are compared at a time."""


@functional_transform("interest_graph")
class InterestGraph(BaseTransform):
    r"""Links a user's items with the items of interest to the user, one graph a modality.

    .. math::
        \mathcal{I}_a(u) = \bigcup_m \mathrm{top}_{k_i} \sum_{i \in \mathcal{I}(u)} S_m[i, :],
        \qquad \hat{S}_m[i, j] = S_m[i, j] \quad \text{if some } u \text{ has } i \in
        \mathcal{I}(u) \text{ and } j \in \mathcal{I}_a(u)

    (Eq. 6-8) from `"SOIL: Contrastive Second-Order Interest Learning for Multimodal
    Recommendation" <https://doi.org/10.1145/3664647.3681207>`_ (functional name:
    :obj:`interest_graph`). The items of interest of a user come from one search with the sum of
    the user's unit features as the query, so nothing of size items x items exists. Edges run
    :math:`j` -> :math:`i`, are sorted by :math:`i` and are named
    :obj:`(item, "{modality}_interest", item)`.

    Args:
        k_i (int, optional): The number of items of interest a user and modality.
            (default: :obj:`10`)
        count_users (bool, optional): If set to :obj:`True`, multiplies a weight with the number
            of such users, as the released code does. (default: :obj:`False`)
        modalities (list[str], optional): The modalities; :obj:`None` for all of the data.
            (default: :obj:`None`)
        negative (str, optional): :obj:`"drop"` leaves out edges whose similarity is not positive,
            :obj:`"keep"` keeps them, as the released code does. (default: :obj:`"drop"`)
        edge_type (tuple, optional): The edge type of the interactions, user -> item.
            (default: :obj:`("user", "interacts", "item")`)
        index (str, optional): A FAISS index factory string; :obj:`"Flat"` is exact.
            (default: :obj:`"Flat"`)
        use_faiss (bool, optional): Whether to search with FAISS; :obj:`None` does so where it is
            installed. (default: :obj:`None`)
        memory_budget (int, optional): Bytes that a block may take. (default: :obj:`2**30`)

    Example:
        >>> data = HeteroData()
        >>> data["user"].num_nodes = 1
        >>> data["item"].x_image = torch.tensor([[1.0, 0.0], [4.0, 3.0], [0.0, 2.0]])
        >>> data["user", "interacts", "item"].edge_index = torch.tensor([[0], [0]])
        >>> data = InterestGraph(k_i=2)(data)
        >>> data["item", "image_interest", "item"].edge_index
        tensor([[0, 1], [0, 0]])
    """

    def __init__(
        self,
        k_i: int = 10,
        count_users: bool = False,
        modalities: list[str] | None = None,
        negative: str = "drop",
        edge_type: EdgeType = INTERACTS,
        index: str = "Flat",
        use_faiss: bool | None = None,
        memory_budget: int = 2**30,
    ) -> None:
        check_at_least("k_i", k_i, 1)
        check_choice("negative", negative, ("drop", "keep"))
        self.k_i = k_i
        self.count_users = count_users
        self.modalities = modalities
        self.negative = negative
        self.edge_type = edge_type
        self.index = index
        self.use_faiss = use_faiss
        self.memory_budget = memory_budget

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        user, item = check_edges(data, self.edge_type)
        user_type, _, item_type = self.edge_type
        size = count_nodes(data, user_type), count_nodes(data, item_type)
        features = unit_features(data, self.modalities, item_type)
        interest = self._interest_items(features, user, item, size)
        row, column, count = self._pairs(interest, user, item, size)
        for modality, (c, has) in features.items():
            both = has[row] & has[column]
            target, source, users = row[both], column[both], count[both]
            value = pair_inner_product(c, target, source, self.memory_budget)
            if self.negative == "drop":
                positive = value > 0
                target, source = target[positive], source[positive]
                value, users = value[positive], users[positive]
            store = data[item_type, f"{modality}_interest", item_type]
            store.edge_index = torch.stack([source, target])
            store.edge_weight = value * users if self.count_users else value
        return data

    def _interest_items(
        self,
        features: dict[str, tuple[Tensor, Tensor]],
        user: Tensor,
        item: Tensor,
        size: tuple[int, int],
    ) -> Tensor:
        # The distinct (user, item of interest) pairs of Eq. 6-7, sorted, as user * I + item.
        num_users, num_items = size
        items_of = Adjacency.from_edge_index(torch.stack([item, user]), size=(num_items, num_users))
        keys = [user.new_empty(0)]
        for c, has in features.values():
            node = has.nonzero().view(-1)
            knn = KNN(c[has], self.index, self.use_faiss, self.memory_budget)
            owner = torch.unique(user[has[item]])
            rows = max(1, self.memory_budget // (16 * c.size(1)))
            for block in blocks(owner.numel(), rows, "searching items of interest"):
                history = items_of.select_rows(owner[block])
                rescore = partial(_total_similarity, history, c, node)
                found = knn.search(history.matmul(c), self.k_i, rescore, ordered=False)[1]
                key = owner[block].unsqueeze(1) * num_items + node[found]
                keys.append(key[found >= 0])
        return torch.unique(torch.cat(keys))

    def _pairs(
        self, interest: Tensor, user: Tensor, item: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        # The distinct pairs of I(u) x I_a(u) over all users, and how many users have each.
        num_users, num_items = size
        interest_item = interest % num_items
        pointer = group_pointers(interest // num_items, num_users)
        order = torch.argsort(item * num_users + user)
        user, item = user[order], item[order]
        start, width = pointer[user], pointer[user + 1] - pointer[user]
        first = group_pointers(item, num_items)
        cost = torch.zeros(num_items, dtype=torch.long, device=item.device)
        cost.index_add_(0, item, width)
        keys, counts = [user.new_empty(0)], [user.new_empty(0)]
        for block in budget_blocks(cost, self.memory_budget // 64):
            edges = slice(int(first[block.start]), int(first[block.stop]))
            position, owner = expand(start[edges], width[edges])
            key = item[edges][owner] * num_items + interest_item[position]
            key, count = torch.unique(key, return_counts=True)
            keys.append(key)
            counts.append(count)
        key, count = torch.cat(keys), torch.cat(counts)
        return key // num_items, key % num_items, count

    def __repr__(self) -> str:
        name = self.__class__.__name__
        return f"{name}(k_i={self.k_i}, count_users={self.count_users}, negative={self.negative!r})"


def _total_similarity(
    history: Adjacency, c: Tensor, node: Tensor, row: Tensor, column: Tensor
) -> Tensor:
    # The sum of the similarities of a user's items with an item, in double precision: for a user
    # with two items the totals of both are equal, and must be found so.
    out = torch.empty(row.numel(), device=c.device)
    user, owner = torch.unique_consecutive(row, return_inverse=True)
    for block in blocks(user.numel(), USERS_AT_ONCE, "comparing items of interest"):
        items = history.select_rows(user[block])
        near = ((owner >= block.start) & (owner < block.stop)).nonzero().view(-1)
        unit = _unit(c[items.col.long()])
        query = torch.zeros(items.size[0], c.size(1), dtype=torch.float64, device=c.device)
        query.index_add_(0, items.row(), unit)
        candidate = _unit(c[node[column[near]]])
        out[near] = (query[owner[near] - block.start] * candidate).sum(dim=1).float()
    return out


def _unit(x: Tensor) -> Tensor:
    x = x.double()
    return x / torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp(min=1e-300)
