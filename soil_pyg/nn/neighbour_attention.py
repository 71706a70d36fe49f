import torch
from torch import Tensor
from torch_geometric.typing import PairTensor
from torch_geometric.utils import softmax

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.edge_products import edge_products


class NeighbourAttention(torch.nn.Module):
    r"""Weighs the neighbours of each node by the softmax of their inner products with the node.

    .. math::
        a_{j,i} = \frac{\exp(\mathbf{x}_i^{\top} \mathbf{x}_j)}
        {\sum_{k \in \mathcal{N}(i)} \exp(\mathbf{x}_i^{\top} \mathbf{x}_k)}

    as in the routing of `"Graph-Refined Convolutional Network for Multimedia Recommendation with
    Implicit Feedback" <https://doi.org/10.1145/3394171.3413556>`_. No vector per edge is held.

    Shapes:
        - **inputs:** features :math:`((|\mathcal{V}_s|, F), (|\mathcal{V}_t|, F))`,
          a matrix :math:`(|\mathcal{V}_t|, |\mathcal{V}_s|)`
        - **outputs:** the attention of the edges :math:`(|\mathcal{E}|)`, in the order of the
          matrix

    Example:
        >>> matrix = Adjacency.from_edge_index(torch.tensor([[0, 1], [0, 0]]), size=(2, 1))
        >>> x = torch.tensor([[1.0], [1.0]]), torch.tensor([[3.0]])
        >>> NeighbourAttention()(x, matrix)
        tensor([0.5000, 0.5000])
    """

    def forward(self, x: PairTensor, matrix: Adjacency) -> Tensor:
        """Returns the attention of the edges.

        Args:
            x ((Tensor, Tensor)): The features of the source and of the target nodes.
            matrix (Adjacency): The edges source -> target; their weights play no part.

        Raises:
            ValueError: If the numbers of nodes do not match the matrix.
        """
        if matrix.size != (x[1].size(0), x[0].size(0)):
            got = (x[1].size(0), x[0].size(0))
            raise ValueError(f"'x' must have {matrix.size} target and source rows (got {got})")
        # A lower precision has no product of pairs.
        dtype = torch.promote_types(x[0].dtype, torch.float32)
        with torch.autocast(x[0].device.type, enabled=False):
            score = edge_products(x[1].to(dtype), x[0].to(dtype), matrix)
            attention: Tensor = softmax(score, ptr=matrix.rowptr.long())
        return attention

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}()"
