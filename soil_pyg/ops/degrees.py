import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ops.keys import distinct_keys
from soil_pyg.typing import INTERACTS, ITEM, USER
from soil_pyg.utils.data_checks import check_edges, count_nodes
from soil_pyg.utils.remember import remember


def user_degree(data: HeteroData) -> Tensor:
    """Returns the number of distinct items that each user interacts with in training.

    Raises:
        ValueError: See :func:`~soil_pyg.utils.data_checks.check_edges`.

    Example:
        >>> data = HeteroData({"user": {"num_nodes": 2}, "item": {"num_nodes": 3}})
        >>> data["user", "interacts", "item"].edge_index = torch.tensor([[0, 0, 1], [2, 2, 0]])
        >>> user_degree(data), item_degree(data)
        (tensor([1, 1]), tensor([1, 0, 1]))
    """
    return _degrees(data)[0]


def item_degree(data: HeteroData) -> Tensor:
    """Returns the number of distinct users that each item interacts with in training, its
    popularity; see :func:`user_degree`.
    """
    return _degrees(data)[1]


def _degrees(data: HeteroData) -> tuple[Tensor, Tensor]:
    edge_index, size = check_edges(data), (count_nodes(data, USER), count_nodes(data, ITEM))

    def count() -> tuple[Tensor, Tensor]:
        key, _ = distinct_keys(edge_index[0] * size[1] + edge_index[1])
        user, item = key // size[1], key % size[1]
        return torch.bincount(user, minlength=size[0]), torch.bincount(item, minlength=size[1])

    return remember(data[INTERACTS].edge_index, ("degrees", size), count)
