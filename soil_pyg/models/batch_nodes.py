"""The distinct nodes of a batch, and what is computed for them alone."""

import torch
import torch.nn.functional as F
from torch import Tensor

from soil_pyg.nn import LightConv
from soil_pyg.ops.adjacency import Adjacency


def distinct(node: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the distinct nodes of a batch and the row of each node among them.

    Unless :func:`sizes_may_vary`, repeated nodes stay.

    Example:
        >>> distinct(torch.tensor([7, 3, 7]))
        (tensor([3, 7]), tensor([1, 0, 1]))
    """
    if sizes_may_vary(node):
        nodes, row = torch.unique(node, return_inverse=True)
        return nodes, row
    return node, torch.arange(len(node), device=node.device)


def propagate_to(
    nodes: Tensor | None, conv: LightConv, views: list[Tensor], adjacency: Adjacency
) -> list[Tensor]:
    """Returns the views propagated to some target nodes, or to all, one row per node."""
    if nodes is None:
        return [conv(view, adjacency) for view in views]
    if sizes_may_vary(nodes):
        # One selection, so that the views share its transpose.
        adjacency = adjacency.select_rows(nodes)
        return [conv(view, adjacency) for view in views]
    return [F.embedding(nodes, conv(view, adjacency)) for view in views]


def sizes_may_vary(node: Tensor) -> bool:
    """Returns whether tensor sizes may depend on the nodes of a batch.

    On a GPU, the host would have to wait for them; compiled code would be compiled again.
    """
    return node.device.type == "cpu" and not torch.compiler.is_compiling()
