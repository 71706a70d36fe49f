from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, Size

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
    column or a :class:`torch.sparse_csr_tensor`, it multiplies matrices and never holds a message.

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
            edge_index (Tensor, EdgeIndex, torch.sparse_csr_tensor or Adjacency): The edges.
            edge_weight (Tensor, optional): The weights, unless :obj:`edge_index` holds them.
                (default: :obj:`None`)
            size ((int, int), optional): The number of source and of target nodes.
                (default: :obj:`None`)
        """
        if isinstance(x, Tensor):
            x = (x, x)
        if isinstance(edge_index, Adjacency):
            return edge_index.matmul(x[0])
        if isinstance(edge_index, EdgeIndex) and None in edge_index.sparse_size() and size:
            # Message passing would ignore `size`.
            edge_index = edge_index.as_tensor()
        out: Tensor = self.propagate(edge_index, x=x, edge_weight=edge_weight, size=size)
        return out

    def message(self, x_j: Tensor, edge_weight: OptTensor) -> Tensor:
        """Weighs the features of the source nodes."""
        return x_j if edge_weight is None else edge_weight.view(-1, 1) * x_j

    def message_and_aggregate(
        self, edge_index: Adj, x: OptPairTensor, edge_weight: OptTensor
    ) -> Tensor:
        """Multiplies the matrix of the edges with the features."""
        return _to_adjacency(edge_index, x, edge_weight).matmul(x[0])


def _to_adjacency(edge_index: Adj, x: OptPairTensor, edge_weight: OptTensor) -> Adjacency:
    if edge_index.is_sparse_csr:
        return Adjacency.from_csr(edge_index)
    num_targets = edge_index.sparse_size(1) if x[1] is None else x[1].size(0)
    return Adjacency.from_edge_index(edge_index, edge_weight, (x[0].size(0), num_targets))
