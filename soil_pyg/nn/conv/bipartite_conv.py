import torch
from torch_geometric.typing import Adj, OptTensor, PairTensor

from soil_pyg.nn.conv.inputs import check_both, is_matrix, to_matrix
from soil_pyg.nn.conv.light_conv import LightConv
from soil_pyg.ops.adjacency import Adjacency


class BipartiteConv(torch.nn.Module):
    r"""Propagates over a bipartite graph in both directions at once.

    .. math::
        \mathbf{X}^{\prime}_s = \mathbf{A}^{\top} \mathbf{X}_t, \qquad
        \mathbf{X}^{\prime}_t = \mathbf{A} \mathbf{X}_s

    where :math:`\mathbf{A}` holds the weights of the edges source -> target. It is one step with
    the symmetric matrix of all nodes (Eq. 4-5 of `"SOIL: Contrastive Second-Order Interest
    Learning for Multimodal Recommendation" <https://doi.org/10.1145/3664647.3681207>`_), of which
    only one quarter is held.

    Shapes:
        - **inputs:** node features :math:`((|\mathcal{V}_s|, F), (|\mathcal{V}_t|, F))`,
          edge indices :math:`(2, |\mathcal{E}|)`,
          edge weights :math:`(|\mathcal{E}|)` *(optional)*
        - **outputs:** node features :math:`((|\mathcal{V}_s|, F), (|\mathcal{V}_t|, F))`

    Example:
        >>> conv = BipartiteConv()
        >>> users, items = torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0]])
        >>> conv((users, items), torch.tensor([[0, 1], [0, 0]]))
        (tensor([[10.], [10.]]), tensor([[3.]]))
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = LightConv()

    def reset_parameters(self) -> None:
        """Does nothing: there are no parameters."""
        self.conv.reset_parameters()

    def forward(
        self, x: PairTensor, edge_index: Adj | Adjacency, edge_weight: OptTensor = None
    ) -> PairTensor:
        """Propagates once in each direction.

        Args:
            x ((Tensor, Tensor)): Features of the source and of the target nodes.
            edge_index (Tensor, EdgeIndex, SparseTensor or Adjacency): The edges,
                source -> target, see :class:`LightConv`.
            edge_weight (Tensor, optional): The weights, unless :obj:`edge_index` holds them.
                (default: :obj:`None`)
        """
        x_source, x_target = check_both(x)
        if is_matrix(edge_index):
            edge_index, edge_weight = to_matrix(edge_index, edge_weight), None
        out_target = self.conv((x_source, x_target), edge_index, edge_weight)
        out_source = self.conv((x_target, x_source), _reverse(edge_index), edge_weight)
        return out_source, out_target

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}()"


def _reverse(edge_index: Adj | Adjacency) -> Adj | Adjacency:
    if isinstance(edge_index, Adjacency):
        return edge_index.t()
    return edge_index.flip([0])
