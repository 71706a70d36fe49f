import torch
from torch_geometric.typing import Adj, OptTensor, PairTensor

from soil_pyg.nn.adjacency import Adjacency
from soil_pyg.nn.conv.bipartite_conv import BipartiteConv


class LightPropagation(torch.nn.Module):
    r"""The mean over the layers of a light graph convolution on a bipartite graph.

    .. math::
        \bar{\mathbf{X}} = \frac{1}{L + 1} \sum_{l=0}^{L} \mathbf{A}^l \mathbf{X}

    with :math:`\mathbf{A}` the symmetric matrix of both node types, from `"LightGCN: Simplifying
    and Powering Graph Convolution Network for Recommendation" <https://arxiv.org/abs/2002.02126>`_.

    Args:
        num_layers (int): The number of layers :math:`L`.

    Shapes:
        - **inputs:** node features :math:`((|\mathcal{V}_s|, F), (|\mathcal{V}_t|, F))`,
          edge indices :math:`(2, |\mathcal{E}|)`,
          edge weights :math:`(|\mathcal{E}|)` *(optional)*
        - **outputs:** node features :math:`((|\mathcal{V}_s|, F), (|\mathcal{V}_t|, F))`

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
        if num_layers < 0:
            raise ValueError(f"'num_layers' must be at least 0 (got {num_layers})")
        self.num_layers = num_layers
        self.conv = BipartiteConv()

    def forward(
        self, x: PairTensor, edge_index: Adj | Adjacency, edge_weight: OptTensor = None
    ) -> PairTensor:
        """Propagates through all layers and averages them.

        Args:
            x ((Tensor, Tensor)): Features of the source and of the target nodes.
            edge_index (Tensor, EdgeIndex, torch.sparse_csr_tensor or Adjacency): The edges,
                source -> target.
            edge_weight (Tensor, optional): The weights, unless :obj:`edge_index` holds them.
                (default: :obj:`None`)
        """
        total_source, total_target = x
        for _ in range(self.num_layers):
            x = self.conv(x, edge_index, edge_weight)
            total_source, total_target = total_source + x[0], total_target + x[1]
        return total_source / (self.num_layers + 1), total_target / (self.num_layers + 1)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(num_layers={self.num_layers})"
