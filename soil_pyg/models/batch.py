"""What models do with the nodes of a batch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from soil_pyg.nn import Adjacency, LightConv


def distinct(node: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the nodes of a batch, each once where :func:`sizes_may_vary`, and the row of each.

    Args:
        node (Tensor): The nodes, of shape :obj:`[batch_size]`.

    Example:
        >>> distinct(torch.tensor([7, 3, 7]))
        (tensor([3, 7]), tensor([1, 0, 1]))
    """
    if sizes_may_vary(node):
        return torch.unique(node, return_inverse=True)
    return node, torch.arange(len(node), device=node.device)


def propagate_to(
    nodes: Tensor | None, conv: LightConv, views: list[Tensor], adjacency: Adjacency
) -> list[Tensor]:
    """Returns what some target nodes get of each view, one row each.

    Args:
        nodes (Tensor, optional): The target nodes, all of them if :obj:`None`.
        conv (LightConv): The convolution.
        views (list[Tensor]): Features of the source nodes.
        adjacency (Adjacency): The matrix of the edges.
    """
    if nodes is None:
        return [conv(view, adjacency) for view in views]
    if sizes_may_vary(nodes):
        # Selected once, so that the views share its transpose, too.
        adjacency = adjacency.select_rows(nodes)
        return [conv(view, adjacency) for view in views]
    return [F.embedding(nodes, conv(view, adjacency)) for view in views]


def sizes_may_vary(node: Tensor) -> bool:
    """Returns whether sizes may depend on the nodes of a batch: on a GPU the host would have to
    wait for them, and compiled code would be compiled anew.

    Args:
        node (Tensor): The nodes.
    """
    return node.device.type == "cpu" and not torch.compiler.is_compiling()
