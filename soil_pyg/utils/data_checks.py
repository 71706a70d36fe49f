"""Checks of the nodes, edges and features of the data, shared by all that read them."""

import reprlib

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import NodeStorage
from torch_geometric.typing import EdgeType

from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM
from soil_pyg.utils.checks import check_integer
from soil_pyg.utils.hetero import check_hetero, has_edges
from soil_pyg.utils.remember import remember

EDGES_PER_BLOCK = 2**22
"""The number of edges that are hashed at a time."""

FACTORS = (-7046029254386353131, -4417276706812531889, 1609587929392839161, -3750763034362895579)
"""Odd numbers that mix the bits of an edge and its position."""


def count_nodes(data: HeteroData, node_type: str) -> int:
    """Returns the number of nodes of a type as PyG infers it, or else from the features
    :obj:`x_*`, or raises :class:`ValueError` if the data has neither.
    """
    check_hetero(data)
    # Looking up a type that the data lacks would add it.
    store = data[node_type] if node_type in data.node_types else NodeStorage()
    count = store.num_nodes if store.can_infer_num_nodes else None
    if isinstance(count, Tensor) and count.numel() == 1:
        count = count.item()
    if count is not None:
        check_integer(f"data[{node_type!r}].num_nodes", count, 0)
        return int(count)
    for name, value in store.items():
        if name.startswith(FEATURE_PREFIX) and isinstance(value, Tensor) and value.dim() > 0:
            return len(value)
    raise ValueError(f"the number of nodes is unknown: set data[{node_type!r}].num_nodes")


def check_edges(
    data: HeteroData,
    edge_type: EdgeType = INTERACTS,
    attr: str = "edge_index",
    size: tuple[int, int] | None = None,
) -> Tensor:
    """Returns the edges of a type as a tensor of 64-bit integers.

    Args:
        data (HeteroData): The data.
        edge_type (tuple, optional): The edge type.
            (default: :obj:`("user", "interacts", "item")`)
        attr (str, optional): The attribute that holds the edges. (default: :obj:`"edge_index"`)
        size ((int, int), optional): The number of source and of target nodes.
            (default: :obj:`None`, those of the data)

    Raises:
        ValueError: If there are no such edges, they have another shape than
            :obj:`[2, num_edges]`, no integers, or a node that the data lacks.
    """
    if not has_edges(data, edge_type, attr):
        if has_edges(data, edge_type, "adj_t"):
            raise ValueError(
                f"the edges {edge_type} are held as 'adj_t': call PyG's transform ToSparseTensor "
                "with remove_edge_index=False, so that 'edge_index' stays"
            )
        raise ValueError(f"the data has no '{attr}' of {edge_type}; it has {data.edge_types}")
    edges = data[edge_type][attr]
    name = f"'{attr}' of {edge_type}"
    if not isinstance(edges, Tensor) or edges.layout != torch.strided:
        raise ValueError(f"{name} must be a dense tensor (got {reprlib.repr(edges)})")
    if edges.dim() != 2 or edges.size(0) != 2:
        raise ValueError(f"{name} must have the shape [2, num_edges] (got {list(edges.size())})")
    if edges.is_floating_point() or edges.is_complex() or edges.dtype == torch.bool:
        raise ValueError(f"{name} must hold integers (got {edges.dtype})")
    if size is None:
        size = count_nodes(data, edge_type[0]), count_nodes(data, edge_type[2])
    plain = edges.as_tensor() if isinstance(edges, EdgeIndex) else edges
    plain = plain.long()

    def check_range() -> None:
        for node_type, nodes, count in zip((edge_type[0], edge_type[2]), plain, size, strict=True):
            low, high = (int(end) for end in torch.aminmax(nodes)) if nodes.numel() else (0, -1)
            if low < 0 or high >= count:
                raise ValueError(
                    f"{name} names node {low if low < 0 else high} of type {node_type!r}, but "
                    f"there are {count}: its nodes are 0 to {count - 1}"
                )

    if edges.device.type != "meta":
        remember(edges, ("range", size), check_range)
    return plain


def digest_edges(data: HeteroData) -> int | None:
    """Returns a number that identifies the training interactions and their order, :obj:`None` if
    the data has none.
    """
    if not has_edges(data, INTERACTS):
        return None
    edges = data[INTERACTS].edge_index
    if edges.device.type == "meta":
        return None
    return remember(edges, "digest", lambda: _hash(check_edges(data)))


def _hash(edge_index: Tensor) -> int:
    # Sums modulo 2^64 do not depend on the device or the blocks.
    total = edge_index.size(1)
    for begin in range(0, edge_index.size(1), EDGES_PER_BLOCK):
        source, target = edge_index[:, begin : begin + EDGES_PER_BLOCK]
        position = torch.arange(begin, begin + source.numel(), device=source.device)
        mixed = source * FACTORS[0] + target * FACTORS[1] + position * FACTORS[2]
        mixed = (mixed ^ (mixed >> 29)) * FACTORS[3]
        total += int((mixed ^ (mixed >> 32)).sum())
    return total % 2**64


def check_features(
    data: HeteroData, modality: str, node_type: str = ITEM, channels: int | None = None
) -> Tensor:
    """Returns the features of a node type in a modality.

    Args:
        data (HeteroData): The data.
        modality (str): The modality.
        node_type (str, optional): The node type. (default: :obj:`"item"`)
        channels (int, optional): The number of channels. (default: :obj:`None`, any)

    Raises:
        ValueError: If the features are not one row of finite real numbers per node.
    """
    name = FEATURE_PREFIX + modality
    x = data[node_type][name]
    label = f"'{name}' of {node_type!r}"
    if not isinstance(x, Tensor) or x.layout != torch.strided:
        raise ValueError(f"{label} must be a dense tensor (got {reprlib.repr(x)})")
    if x.dim() != 2 or x.numel() == 0:
        raise ValueError(
            f"{label} must have the shape [num_nodes, channels] with at least one node and one "
            f"channel (got {list(x.size())})"
        )
    if x.is_complex():
        raise ValueError(f"{label} must hold real numbers (got {x.dtype})")
    num_nodes = count_nodes(data, node_type)
    if len(x) != num_nodes:
        raise ValueError(
            f"{label} must have {num_nodes} rows, one per node, with zeros for a missing one "
            f"(got {len(x)})"
        )
    if channels is not None and x.size(1) != channels:
        raise ValueError(f"{label} must have {channels} channels (got {x.size(1)})")
    if x.is_floating_point() and x.device.type != "meta":
        remember(x, "finite", lambda: _check_finite(label, x))
    return x


def _check_finite(label: str, x: Tensor) -> None:
    # The sum is finite unless a value is not or it overflows; it holds no mask of all values.
    if not torch.isfinite(x.sum(dtype=torch.float64)):
        bad = (~torch.isfinite(x)).any(dim=1).nonzero()
        if bad.numel() > 0:
            raise ValueError(
                f"{label} must be finite: the row of node {int(bad[0])} has NaN or infinity"
            )
