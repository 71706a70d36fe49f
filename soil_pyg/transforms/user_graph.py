import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.transforms.co_occurrence_graph import CoOccurrenceGraph
from soil_pyg.transforms.edges import hold
from soil_pyg.typing import USER
from soil_pyg.utils.checks import check_integer
from soil_pyg.utils.data_checks import count_nodes

USER_USER = (USER, "co_occurrence", USER)
"""The graph of the users with the most items in common."""

PADDED = (USER, "padded_co_occurrence", USER)
"""The same graph with the copies of an epoch, see :func:`pad_by_copies`."""

MAX_CANDIDATES = 200
"""The largest number of similar users per user, as in the released code of DualGNN."""


@functional_transform("user_graph")
class UserGraph(BaseTransform):
    r"""Links each user with the users that share the most items, weighted by the softmax of the
    numbers of shared items.

    .. math::
        G_{uv} = \frac{\exp(|\mathcal{I}(u) \cap \mathcal{I}(v)|)}{\sum_{w \in \mathcal{N}(u)}
        \exp(|\mathcal{I}(u) \cap \mathcal{I}(w)|)}

    from `"DualGNN: Dual Graph Neural Network for Multimedia Recommendation"
    <https://doi.org/10.1109/TMM.2021.3138298>`_ (functional name: :obj:`user_graph`). Ties go to
    the smaller id. The graph is held as :obj:`adjacency` of the edge type
    :obj:`("user", "co_occurrence", "user")`, whose :obj:`edge_weight` are the numbers of shared
    items. A user who shares no item has no neighbours.

    Args:
        user_k (int, optional): The number of neighbours, at most 200, fewer where fewer share an
            item. (default: :obj:`40`)
        memory_budget (int, optional): The number of bytes per block. (default: :obj:`2**30`)

    Example:
        >>> data = HeteroData()
        >>> data["user"].num_nodes, data["item"].num_nodes = 3, 2
        >>> edge_index = torch.tensor([[0, 0, 1, 2, 2], [0, 1, 0, 0, 1]])
        >>> data["user", "interacts", "item"].edge_index = edge_index
        >>> UserGraph(user_k=2)(data)["user", "co_occurrence", "user"].adjacency.to_dense()
        tensor([[0.0000, 0.2689, 0.7311],
                [0.5000, 0.0000, 0.5000],
                [0.7311, 0.2689, 0.0000]])
    """

    def __init__(self, user_k: int = 40, memory_budget: int = 2**30) -> None:
        check_integer("user_k", user_k, 1)
        check_integer("memory_budget", memory_budget, 1)
        self.user_k = user_k
        self.memory_budget = memory_budget

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graph to the data."""
        k = min(self.user_k, MAX_CANDIDATES)
        shared = CoOccurrenceGraph(
            k, memory_budget=self.memory_budget, nodes="source", node_power=0.0
        )
        data, num_users = shared(data), count_nodes(data, USER)
        store = data[USER_USER]
        store.user_k = self.user_k
        count = Adjacency.from_edge_index(store.edge_index, store.edge_weight, (num_users,) * 2)
        hold(data, USER_USER, softmax_of_rows(count))
        return data

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(user_k={self.user_k})"


def pad_by_copies(data: HeteroData) -> None:
    """Draws copies of the neighbours of each user with fewer than :obj:`user_k`, up to this
    number, and adds the graph in which a neighbour weighs as often as it was copied.

    Each copy is that of a uniformly drawn entry of the list so far, copies included, from torch's
    global generator.
    """
    store, num_users = data[USER_USER], count_nodes(data, USER)
    count = Adjacency.from_edge_index(store.edge_index, store.edge_weight, (num_users,) * 2)
    length = count.rowptr.diff()
    short = ((length > 0) & (length < store.user_k)).nonzero().view(-1)
    length, copies = length[short], torch.ones_like(count.weight)
    # The place of each entry of the lists among the neighbours; one row per entry.
    places = torch.arange(store.user_k, device=short.device, dtype=torch.int16)
    places = places.unsqueeze(1).repeat(1, short.numel())
    for entry in range(int(length.min()) if short.numel() > 0 else store.user_k, store.user_k):
        drawn = (torch.rand(short.numel(), device=short.device) * entry).long()
        is_copy = entry >= length
        copy = places.gather(0, drawn.unsqueeze(0)).squeeze(0)
        places[entry] = torch.where(is_copy, copy, places[entry])
        copied = (count.rowptr[short] + copy)[is_copy]
        copies.index_add_(0, copied.long(), torch.ones_like(copied, dtype=copies.dtype))
    hold(data, PADDED, softmax_of_rows(count, copies))


def softmax_of_rows(count: Adjacency, copies: Tensor | float = 1.0) -> Adjacency:
    """Returns the softmax of the counts of each row, each as often as it was copied."""
    row, value = count.row(), count.weight.double()
    largest = value.new_zeros(count.size[0]).scatter_reduce_(0, row, value, "amax")
    value = copies * (value - largest[row]).exp()
    weight = value / value.new_zeros(count.size[0]).index_add_(0, row, value)[row]
    return Adjacency(count.rowptr, count.col, weight.float(), count.size[1])
