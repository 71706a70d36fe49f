"""Names of node types, edge types and attributes, and the batch that a loader yields."""

from typing import NamedTuple

from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType

USER = "user"
ITEM = "item"
INTERACTS: EdgeType = (USER, "interacts", ITEM)
SECOND_ORDER: EdgeType = (USER, "second_order", ITEM)
FEATURE_PREFIX = "x_"

HELD_OUT_SPLITS = ("val", "test")
SPLITS = ("train", *HELD_OUT_SPLITS)


class Triplets(NamedTuple):
    """A batch of training triples, each a tensor of shape :obj:`[batch_size]`."""

    user: Tensor
    positive: Tensor
    negative: Tensor


def modalities_of(data: HeteroData, node_type: str = ITEM) -> list[str]:
    """Returns the modality names of a node type: the stems of its :obj:`x_*` attributes, in order.

    Args:
        data (HeteroData): The data.
        node_type (str): The node type. (default: :obj:`"item"`)
    """
    names = data[node_type].keys()
    return [name.removeprefix(FEATURE_PREFIX) for name in names if name.startswith(FEATURE_PREFIX)]
