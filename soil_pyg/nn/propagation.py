from collections.abc import Callable

import torch
from torch_geometric.typing import Adj, OptTensor, PairTensor

from soil_pyg.nn.conv.bipartite_conv import BipartiteConv
from soil_pyg.nn.conv.inputs import check_both
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.utils.checks import check_integer


class LightPropagation(torch.nn.Module):
    r"""The mean over the layers of a light graph convolution on a bipartite graph.

    .. math::
        \bar{\mathbf{X}} = \frac{1}{L + 1} \sum_{l=0}^{L} \mathbf{A}^l \mathbf{X}

    with :math:`\mathbf{A}` the symmetric matrix of both node types, from `"LightGCN: Simplifying
    and Powering Graph Convolution Network for Recommendation" <https://arxiv.org/abs/2002.02126>`_.

    Args:
        num_layers (int): The number of layers :math:`L`.

    Inputs, outputs and their shapes are those of :class:`~soil_pyg.nn.BipartiteConv`.

    Raises:
        ValueError: If :obj:`num_layers` is negative.

    Example:
        >>> propagation = LightPropagation(num_layers=1)
        >>> users, items = torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0]])
        >>> propagation((users, items), torch.tensor([[0, 1], [0, 0]]))
        (tensor([[5.5000], [6.0000]]), tensor([[6.5000]]))
    """

    def __init__(self, num_layers: int) -> None:
        super().__init__()
        check_integer("num_layers", num_layers, 0)
        self.num_layers = num_layers
        self.conv = BipartiteConv()

    def forward(
        self, x: PairTensor, edge_index: Adj | Adjacency, edge_weight: OptTensor = None
    ) -> PairTensor:
        """Propagates through all layers and averages them, see :class:`BipartiteConv`."""
        x = check_both(x)
        layer = self._layer(x, edge_index, edge_weight)
        total_source, total_target = x
        for number in range(self.num_layers):
            x = layer(x)
            if number == 0:
                total_source, total_target = total_source + x[0], total_target + x[1]
            else:
                # In place: the tables may be the largest in memory.
                total_source += x[0]
                total_target += x[1]
        return total_source / (self.num_layers + 1), total_target / (self.num_layers + 1)

    def _layer(
        self, x: PairTensor, edge_index: Adj | Adjacency, edge_weight: OptTensor
    ) -> Callable[[PairTensor], PairTensor]:
        # The function of a layer, for features like `x`.
        return lambda x: self.conv(x, edge_index, edge_weight)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(num_layers={self.num_layers})"


class MeanPropagation(LightPropagation):
    r"""The mean over the layers of a convolution on a bipartite graph that averages each node with
    its neighbours.

    .. math::
        \bar{\mathbf{X}} = \frac{1}{L + 1} \sum_{l=0}^{L} \left( \mathbf{D}^{-1} (\mathbf{A} +
        \mathbf{I}) \right)^l \mathbf{X}

    with :math:`\mathbf{A}` the symmetric matrix of both node types and :math:`\mathbf{D}` the row
    sums of :math:`\mathbf{A} + \mathbf{I}`, as in `"Mining Latent Structures for Multimedia
    Recommendation" <https://arxiv.org/abs/2104.09036>`_. Arguments, shapes and errors are those of
    :class:`LightPropagation`.

    Example:
        >>> propagation = MeanPropagation(num_layers=1)
        >>> users, items = torch.tensor([[1.0], [2.0]]), torch.tensor([[9.0]])
        >>> propagation((users, items), torch.tensor([[0, 1], [0, 0]]))
        (tensor([[3.0000], [3.7500]]), tensor([[6.5000]]))
    """

    def _layer(
        self, x: PairTensor, edge_index: Adj | Adjacency, edge_weight: OptTensor
    ) -> Callable[[PairTensor], PairTensor]:
        ones = x[0].new_ones(x[0].size(0), 1), x[1].new_ones(x[1].size(0), 1)
        degree_source, degree_target = self.conv(ones, edge_index, edge_weight)

        def layer(x: PairTensor) -> PairTensor:
            sum_source, sum_target = self.conv(x, edge_index, edge_weight)
            return (
                (x[0] + sum_source) / (1 + degree_source),
                (x[1] + sum_target) / (1 + degree_target),
            )

        return layer
