import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.typing import Adj, OptTensor, PairTensor

from soil_pyg.nn.conv.bipartite_conv import BipartiteConv
from soil_pyg.nn.conv.inputs import check_both
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.utils.checks import check_integer


class RefinedPropagation(torch.nn.Module):
    r"""The sum over the layers of a light graph convolution on a bipartite graph, each node scaled
    by its similarity to the start.

    .. math::
        \bar{\mathbf{X}} = \sum_{l=1}^{L} \mathbf{X}^{(l)}, \qquad
        \mathbf{x}_i^{(l)} = \cos(\mathbf{y}_i, \mathbf{x}_i^{(0)}) \, \mathbf{y}_i, \qquad
        \mathbf{Y} = \mathbf{A} \mathbf{X}^{(l-1)}

    with :math:`\mathbf{A}` the symmetric matrix of both node types, from `"Layer-refined Graph
    Convolutional Networks for Recommendation" <https://arxiv.org/abs/2207.11088>`_.

    Args:
        num_layers (int): The number of layers :math:`L`.

    Inputs, outputs and their shapes are those of :class:`~soil_pyg.nn.BipartiteConv`.

    Raises:
        ValueError: If :obj:`num_layers` is less than 1.

    Example:
        >>> propagation = RefinedPropagation(num_layers=1)
        >>> users, items = torch.tensor([[1.0], [2.0]]), torch.tensor([[-9.0]])
        >>> propagation((users, items), torch.tensor([[0, 1], [0, 0]]))
        (tensor([[9.], [9.]]), tensor([[-3.]]))
    """

    def __init__(self, num_layers: int) -> None:
        super().__init__()
        check_integer("num_layers", num_layers, 1)
        self.num_layers = num_layers
        self.conv = BipartiteConv()

    def forward(
        self, x: PairTensor, edge_index: Adj | Adjacency, edge_weight: OptTensor = None
    ) -> PairTensor:
        """Propagates through all layers and adds them up, see :class:`BipartiteConv`."""
        _, *layers = self.layers(x, edge_index, edge_weight)
        source, target = (torch.stack(side).sum(dim=0) for side in zip(*layers, strict=True))
        return source, target

    def layers(
        self, x: PairTensor, edge_index: Adj | Adjacency, edge_weight: OptTensor = None
    ) -> list[PairTensor]:
        """Returns the start and each layer; arguments as for the call."""
        start = check_both(x)
        layers = [start]
        for _ in range(self.num_layers):
            y = self.conv(layers[-1], edge_index, edge_weight)
            layers.append((refine(y[0], start[0]), refine(y[1], start[1])))
        return layers

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(num_layers={self.num_layers})"


def refine(y: Tensor, start: Tensor) -> Tensor:
    """Returns the features of a layer, each row scaled by its cosine with the start."""
    return F.cosine_similarity(y, start, dim=-1).unsqueeze(-1) * y
