"""Names of node types, edge types, attributes and splits, and the batch that a loader yields."""

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
"""The splits in the order of their labels 0, 1 and 2."""
EDGE_INDICES = ("edge_index", *(f"{split}_edge_label_index" for split in HELD_OUT_SPLITS))
"""The attributes of :obj:`INTERACTS` that hold the pairs of each split."""
TRAINED_EARLIER = "trained_edge_label_index"
"""The attribute of :obj:`INTERACTS` that holds pairs that are neither held out nor ranked, because
the run that a model was initialised from was trained on them.
"""


class Triplets(NamedTuple):
    """A batch of training triplets: three tensors of shape :obj:`[batch_size]`."""

    user: Tensor
    positive: Tensor
    negative: Tensor


def modalities_of(data: HeteroData, node_type: str = ITEM) -> list[str]:
    """Returns the modalities of a node type: the stems of its :obj:`x_*` attributes, in order."""
    return list(features_of(data, node_type))


def features_of(data: HeteroData, node_type: str = ITEM) -> dict[str, Tensor]:
    """Returns the features of a node type by modality, in order."""
    return {
        name.removeprefix(FEATURE_PREFIX): value
        for name, value in data[node_type].items()
        if name.startswith(FEATURE_PREFIX)
    }
