import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, Size

from soil_pyg.nn.conv.inputs import (
    check_edges,
    check_pair,
    check_size,
    check_weight,
    is_matrix,
    to_matrix,
)
from soil_pyg.ops.adjacency import Adjacency


class LightConv(MessagePassing):
    r"""Sums the features of the neighbours, weighted by the edges only.

    .. math::
        \mathbf{x}^{\prime}_i = \sum_{j \in \mathcal{N}(i)} e_{j,i} \, \mathbf{x}_j

    where :math:`e_{j,i}` is the weight of the edge from source :obj:`j` to target :obj:`i`
    (default: :obj:`1`). It is the propagation of Eq. 11-13 of `"SOIL: Contrastive Second-Order
    Interest Learning for Multimodal Recommendation" <https://doi.org/10.1145/3664647.3681207>`_;
    the normalisation belongs to the graph
    (:class:`~soil_pyg.transforms.NormalizeGraph`).

    Given an :class:`~soil_pyg.nn.Adjacency`, an :class:`~torch_geometric.EdgeIndex` sorted by
    column or a sparse matrix in COO, CSR or CSC layout, it multiplies matrices and never holds a
    message.

    Args:
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`, except for :obj:`aggr` and
            :obj:`flow`.

    Shapes:
        - **inputs:** node features :math:`(|\mathcal{V}|, F)` or
          :math:`((|\mathcal{V}_s|, F), (|\mathcal{V}_t|, *))` if bipartite,
          edge indices :math:`(2, |\mathcal{E}|)`,
          edge weights :math:`(|\mathcal{E}|)` *(optional)*
        - **outputs:** node features :math:`(|\mathcal{V}_t|, F)`

    Raises:
        ValueError: If :obj:`flow` is not :obj:`"source_to_target"`.

    Example:
        >>> import torch
        >>> conv = LightConv()
        >>> x = torch.tensor([[1.0], [2.0]])
        >>> conv(x, torch.tensor([[0, 1, 1], [0, 0, 1]]), torch.tensor([1.0, 0.5, 3.0]))
        tensor([[2.],
                [6.]])
    """

    SUPPORTS_FUSED_EDGE_INDEX = True

    def __init__(self, **kwargs: str) -> None:
        super().__init__(aggr="add", **kwargs)
        if self.flow != "source_to_target":
            raise ValueError(
                f"'flow' must be 'source_to_target' (got {self.flow!r}); reverse the edges instead"
            )

    def forward(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj | Adjacency,
        edge_weight: OptTensor = None,
        size: Size = None,
    ) -> Tensor:
        """Propagates once.

        Args:
            x (Tensor or (Tensor, Tensor)): Node features, or those of sources and of targets. Only
                the number of targets is used, and their features may be :obj:`None`.
            edge_index (Tensor, EdgeIndex, SparseTensor or Adjacency): The edges, as indices of
                shape :obj:`[2, num_edges]` or as a matrix of shape
                :obj:`[num_targets, num_sources]`.
            edge_weight (Tensor, optional): The weights, unless :obj:`edge_index` holds them.
                (default: :obj:`None`)
            size ((int, int), optional): The number of source and of target nodes.
                (default: :obj:`None`)

        Raises:
            ValueError: If features, edges, weights and sizes do not match, or a matrix has blocks.
        """
        x = check_pair(x)
        if isinstance(edge_index, Adjacency) or is_matrix(edge_index):
            matrix = to_matrix(edge_index, edge_weight)
            check_size(matrix, x, size)
            return matrix.matmul(x[0])
        edge_weight = check_weight(edge_index, edge_weight)
        if not torch.compiler.is_compiling():
            check_edges(edge_index, x, size)
        if edge_index.dtype != torch.long:
            # The gradient of torch's sums over other integers is wrong.
            edge_index = edge_index.long()
        if isinstance(edge_index, EdgeIndex) and size and edge_index.sparse_size() != tuple(size):
            # Message passing would ignore `size`.
            edge_index = edge_index.as_tensor()
        out: Tensor = self.propagate(edge_index, x=x, edge_weight=edge_weight, size=size)
        return out

    def message(self, x_j: Tensor, edge_weight: OptTensor) -> Tensor:
        """Weighs the features of the source nodes."""
        return x_j if edge_weight is None else edge_weight.view(-1, 1).to(x_j.dtype) * x_j

    def message_and_aggregate(
        self, edge_index: Adj, x: OptPairTensor, edge_weight: OptTensor
    ) -> Tensor:
        """Multiplies the matrix of the edges with the features."""
        num_targets = edge_index.sparse_size(1) if x[1] is None else x[1].size(0)
        # As in message passing.
        num_targets = x[0].size(0) if num_targets is None else num_targets
        size = x[0].size(0), num_targets
        return Adjacency.from_edge_index(edge_index, edge_weight, size).matmul(x[0])
