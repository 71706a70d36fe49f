import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.typing import EdgeType
from torch_geometric.utils import cumsum
from typing_extensions import Unpack

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.collector import Features
from soil_pyg.ops.interest_items import InterestItems
from soil_pyg.ops.keys import distinct_keys
from soil_pyg.ops.pairs import pair_inner_product
from soil_pyg.ops.ragged import GrowingTensors, budget_blocks, concat_ranges, index2ptr
from soil_pyg.ops.search_options import SearchKwargs, takes_search_options
from soil_pyg.transforms.edges import distinct_edges, hold
from soil_pyg.transforms.utils import SimilarityTransform
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.checks import check_edge_type, check_flag, check_integer
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.utils.progress import blocks


@functional_transform("interest_graph")
class InterestGraph(SimilarityTransform[InterestItems]):
    r"""Links each user's items with the items of interest to the user, one graph per modality.

    .. math::
        \mathcal{I}_a(u) = \bigcup_m \mathrm{top}_{k_i} \sum_{i \in \mathcal{I}(u)} S_m[i, :],
        \qquad \hat{S}_m[i, j] = S_m[i, j] \quad \text{if some } u \text{ has } i \in
        \mathcal{I}(u) \text{ and } j \in \mathcal{I}_a(u)

    (Eq. 6-8) from `"SOIL: Contrastive Second-Order Interest Learning for Multimodal
    Recommendation" <https://doi.org/10.1145/3664647.3681207>`_ (functional name:
    :obj:`interest_graph`). Only the similarities of its pairs are computed, in blocks of items.
    Edges run :math:`j` -> :math:`i`, are sorted by :math:`i` and named
    :obj:`(item, "{modality}_interest", item)`.

    Args:
        k_i (int, optional): The number of items of interest per user and modality.
            (default: :obj:`10`)
        weight_by_users (bool, optional): If set to :obj:`True`, multiplies each weight by the
            number of such users, as the released code does. (default: :obj:`False`)
        modalities (list[str], optional): The modalities. (default: :obj:`None`, all of the data)
        negative (str, optional): :obj:`"drop"` leaves out edges whose similarity is not positive,
            :obj:`"keep"` keeps them, as the released code does. (default: :obj:`"drop"`)
        edge_type (tuple, optional): The edge type of the interactions, user -> item.
            (default: :obj:`("user", "interacts", "item")`)
        to_adjacency (bool, optional): If set to :obj:`True`, adds an
            :class:`~soil_pyg.nn.Adjacency` named :obj:`adjacency`, and :obj:`edge_index` and
            :obj:`edge_weight` only for up to :math:`2^{22}` edges: larger graphs take 8 instead of
            20 bytes per edge. (default: :obj:`False`)
        **search_options (optional): How the nearest items are searched: the arguments of
            :class:`~soil_pyg.nn.SearchOptions`.

    Example:
        >>> data = HeteroData()
        >>> data["user"].num_nodes = 1
        >>> data["item"].x_image = torch.tensor([[1.0, 0.0], [4.0, 3.0], [0.0, 2.0]])
        >>> data["user", "interacts", "item"].edge_index = torch.tensor([[0], [0]])
        >>> data = InterestGraph(k_i=2)(data)
        >>> data["item", "image_interest", "item"].edge_index
        tensor([[0, 1], [0, 0]])
    """

    @takes_search_options
    def __init__(
        self,
        k_i: int = 10,
        weight_by_users: bool = False,
        modalities: list[str] | None = None,
        negative: str = "drop",
        edge_type: EdgeType = INTERACTS,
        to_adjacency: bool = False,
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        check_edge_type("edge_type", edge_type)
        super().__init__(modalities, negative, edge_type[2], **search_options)
        check_integer("k_i", k_i, 1)
        check_flag("weight_by_users", weight_by_users)
        check_flag("to_adjacency", to_adjacency)
        self.k_i = k_i
        self.weight_by_users = weight_by_users
        self.edge_type = edge_type
        self.to_adjacency = to_adjacency

    def collector(self, data: HeteroData, features: Features) -> InterestItems:
        """Returns the collector of the items of interest."""
        edge_index = distinct_edges(data, self.edge_type)
        user_type, _, item_type = self.edge_type
        size = count_nodes(data, item_type), count_nodes(data, user_type)
        history = Adjacency.from_edge_index(edge_index.flip([0]), size=size)
        return InterestItems(features, history, self.k_i, self.search_options.memory_budget)

    def build(self, data: HeteroData, features: Features, interest: InterestItems) -> HeteroData:
        """Adds the graphs to the data."""
        item_type = self.edge_type[2]
        for modality, adjacency in self._adjacencies(features, interest).items():
            edge_type = (item_type, f"{modality}_interest", item_type)
            store = data[edge_type]
            store.search = interest.report[modality]
            if self.to_adjacency:
                hold(data, edge_type, adjacency, is_source=True)
            else:
                store.edge_index = torch.stack([adjacency.col.long(), adjacency.row()])
                store.edge_weight = adjacency.weight
        return data

    def _adjacencies(self, features: Features, interest: InterestItems) -> dict[str, Adjacency]:
        # The pairs of I(u) x I_a(u) over all users and their similarities, by blocks of items.
        num_items = interest.num_items
        rowptr, interest_item = interest.finish()
        users_of = interest.history.t()
        width = rowptr.diff()
        cost = torch.zeros(num_items, dtype=torch.long, device=rowptr.device)
        cost.index_add_(0, users_of.row(), width[users_of.col.long()])
        types = torch.long, torch.int32, torch.float32
        out = {modality: GrowingTensors(*types, device=rowptr.device) for modality in features}
        cuts = budget_blocks(cost, self.search_options.memory_budget // 256)
        for step in blocks(len(cuts), 1, "joining items of interest"):
            block = cuts[step.start]
            users = users_of.select_rows(torch.arange(block.start, block.stop, device=cost.device))
            position, owner = concat_ranges(rowptr[users.col.long()], width[users.col.long()])
            key = users.row()[owner] * num_items + interest_item[position]
            key, count = distinct_keys(key)
            row = key // num_items
            for modality, (c, has) in features.items():
                col = key - row * num_items
                out[modality].add(*self._weigh(c, has, block, row, col, count))
        matrices = {}
        for modality, rows in out.items():
            length, col, weight = rows.pop()
            matrices[modality] = Adjacency(cumsum(length), col, weight, num_items)
        return matrices

    def _weigh(
        self, c: Tensor, has: Tensor, block: slice, row: Tensor, col: Tensor, count: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        # The number of entries per row of a block, their columns and weights.
        if not has.all():
            both = (has[block][row] & has[col]).nonzero().view(-1)
            row, col, count = row[both], col[both], count[both]
        size = block.stop - block.start
        value = pair_inner_product(c[block], c, index2ptr(row, size), col)
        if self.negative == "drop":
            positive = (value > 0).nonzero().view(-1)
            row, col, count, value = row[positive], col[positive], count[positive], value[positive]
        weight = value * count if self.weight_by_users else value
        return torch.bincount(row, minlength=size), col, weight

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(k_i={self.k_i}, weight_by_users={self.weight_by_users}, "
            f"negative={self.negative!r})"
        )
