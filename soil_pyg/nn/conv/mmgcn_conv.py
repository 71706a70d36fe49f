import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Linear
from torch_geometric.typing import Adj, PairTensor

from soil_pyg.nn.conv.light_conv import LightConv
from soil_pyg.nn.feature_projection import FeatureProjection
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.utils.checks import check_flag, check_integer


class MMGCNConv(torch.nn.Module):
    r"""Combines the mean of the neighbours with a node's own features and its identity, from the
    `"MMGCN: Multi-modal Graph Convolution Network for Personalized Recommendation of Micro-video"
    <https://doi.org/10.1145/3343031.3351034>`_ paper.

    .. math::
        \mathbf{h}_i &= \phi \Big( \frac{1}{|\mathcal{N}_i|} \sum_{j \in \mathcal{N}_i}
        \mathbf{W}_1 \mathbf{x}_j \Big), \qquad
        \mathbf{y}_i = \phi(\mathbf{W}_2 \mathbf{x}_i + \mathbf{b}_2) + \mathbf{e}_i

        \mathbf{x}^{\prime}_i &= \phi(\mathbf{W}_3 [\mathbf{h}_i \, \Vert \, \mathbf{y}_i] +
        \mathbf{b}_3) \qquad \text{or} \qquad
        \mathbf{x}^{\prime}_i = \phi(\mathbf{W}_3 \mathbf{h}_i + \mathbf{b}_3 + \mathbf{y}_i)

    with :math:`\phi` the leaky ReLU and :math:`\mathbf{e}_i` the identity embedding. The mean of a
    node without neighbours is zero.

    Args:
        in_channels (int): The dimension of the features.
        out_channels (int): The dimension of the result and of the identity embeddings.
        concat (bool, optional): If set to :obj:`False`, adds the two parts, the second form,
            instead of concatenating them. (default: :obj:`True`)

    Shapes:
        - **inputs:** features :math:`((|\mathcal{V}_s|, F_{in}), (|\mathcal{V}_t|, F_{in}))`,
          identity embeddings of the targets :math:`(|\mathcal{V}_t|, F_{out})`,
          edge indices :math:`(2, |\mathcal{E}|)`
        - **outputs:** :math:`(|\mathcal{V}_t|, F_{out})`

    Example:
        >>> conv = MMGCNConv(in_channels=4, out_channels=2)
        >>> x = torch.randn(3, 4), torch.randn(5, 4)
        >>> conv(x, torch.randn(5, 2), torch.tensor([[0, 1, 2], [0, 0, 4]])).size()
        torch.Size([5, 2])
    """

    def __init__(self, in_channels: int, out_channels: int, concat: bool = True) -> None:
        super().__init__()
        check_integer("in_channels", in_channels, 1)
        check_integer("out_channels", out_channels, 1)
        check_flag("concat", concat)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.concat = concat
        self.neighbour = Linear(in_channels, in_channels, bias=False)
        self.own = FeatureProjection(in_channels, out_channels)
        self.merge = Linear(in_channels + out_channels * concat, out_channels)
        self.conv = LightConv()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the maps of the features (Xavier normal) and the last map (PyTorch's default)."""
        for module in (self.own, self.merge):
            module.reset_parameters()
        for module in (self.neighbour, self.own):
            torch.nn.init.xavier_normal_(module.weight)

    def forward(self, x: PairTensor, identity: Tensor, edge_index: Adj | Adjacency) -> Tensor:
        """Returns the features of the target nodes.

        Args:
            x ((Tensor, Tensor)): The features of the source and of the target nodes.
            identity (Tensor): The identity embeddings of the target nodes.
            edge_index (Tensor, EdgeIndex, SparseTensor or Adjacency): The edges, source -> target,
                see :class:`LightConv`.
        """
        source, target = x
        degree = self.conv((source.new_ones(len(source), 1), target), edge_index)
        total = self.conv((self.neighbour(source), target), edge_index)
        mean = F.leaky_relu(total / torch.where(degree > 0, degree, 1.0))
        own = F.leaky_relu(self.own(target)) + identity
        if self.concat:
            return F.leaky_relu(self.merge(torch.cat([mean, own], dim=-1)))
        return F.leaky_relu(self.merge(mean) + own)

    def __repr__(self) -> str:
        name = self.__class__.__name__
        return f"{name}({self.in_channels}, {self.out_channels}, concat={self.concat})"
