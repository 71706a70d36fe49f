import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding, Linear
from torch_geometric.typing import Adj, OptTensor, PairTensor

from soil_pyg.nn.conv.bipartite_conv import BipartiteConv
from soil_pyg.nn.feature_projection import FeatureProjection
from soil_pyg.nn.perturb import perturb
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.utils.checks import check_integer


class ModalityEncoder(torch.nn.Module):
    r"""Encodes items by their features in a modality and users by trained preferences, and
    propagates both over the user-item graph.

    .. math::
        \mathbf{H} = \mathbf{X} + \mathbf{A} \mathbf{X} + \mathbf{A}^2 \mathbf{X}, \qquad
        \mathbf{x}_u = \frac{\mathbf{p}_u}{\|\mathbf{p}_u\|}, \qquad
        \mathbf{x}_i = \frac{\mathbf{z}_i}{\|\mathbf{z}_i\|}, \qquad
        \mathbf{z}_i = \mathbf{W}_2 \, \mathrm{LeakyReLU}(\mathbf{W}_1 \mathbf{f}_i + \mathbf{b}_1)
        + \mathbf{b}_2

    with the preferences :math:`\mathbf{p}_u` and the features :math:`\mathbf{f}_i`, from the
    released code of `"DualGNN: Dual Graph Neural Network for Multimedia Recommendation"
    <https://doi.org/10.1109/TMM.2021.3138298>`_. The hidden layer has four times the output's
    channels.

    Args:
        num_users (int): The number of users.
        in_channels (int): The dimension of the features, or :obj:`-1` to take it from the first.
        out_channels (int): The dimension of the embeddings.

    Shapes:
        - **inputs:** features of the items :math:`(I, F_{in})`, the graph user -> item as for
          :class:`~soil_pyg.nn.BipartiteConv`
        - **outputs:** users :math:`(U, F_{out})` and items :math:`(I, F_{out})`

    Example:
        >>> encoder = ModalityEncoder(num_users=2, in_channels=5, out_channels=3)
        >>> users, items = encoder(torch.randn(4, 5), torch.tensor([[0, 1], [3, 0]]))
        >>> users.size(), items.size()
        (torch.Size([2, 3]), torch.Size([4, 3]))
    """

    def __init__(self, num_users: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        check_integer("num_users", num_users, 1)
        check_integer("out_channels", out_channels, 1)
        self.preference = Embedding(num_users, out_channels)
        self.project = FeatureProjection(in_channels, 4 * out_channels)
        self.output = Linear(4 * out_channels, out_channels)
        self.conv = BipartiteConv()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the preferences (Xavier normal) and the layers (PyTorch's default) again."""
        torch.nn.init.xavier_normal_(self.preference.weight)
        self.project.reset_parameters()
        self.output.reset_parameters()

    def encode(self, x: Tensor) -> Tensor:
        r"""Returns the codes :math:`\mathbf{z}_i` of the features."""
        z: Tensor = self.output(F.leaky_relu(self.project(x)))
        return z

    def start(self, z: Tensor) -> PairTensor:
        """Returns the embeddings of users and items of unit length before the propagation, given
        the codes of the items.
        """
        return F.normalize(self.preference.weight), F.normalize(z)

    def messages(self, x: Tensor, edge_index: Adj | Adjacency) -> Tensor:
        r"""Returns the sum of the embeddings that each item sends to a user over an edge of weight
        1, so that :math:`\mathbf{h}_u = \mathbf{x}_u + \sum_i A_{ui} \, \mathbf{m}_i`.
        """
        start = self.start(self.encode(x))
        sent: Tensor = start[1] + self.conv(start, edge_index)[1]
        return sent

    def forward(
        self,
        x: Tensor,
        edge_index: Adj | Adjacency,
        edge_weight: OptTensor = None,
        noise: float = 0.0,
    ) -> PairTensor:
        """Encodes and propagates.

        Args:
            x (Tensor): The features of the items.
            edge_index (Tensor, EdgeIndex, SparseTensor or Adjacency): The edges, user -> item.
            edge_weight (Tensor, optional): The weights, unless :obj:`edge_index` holds them.
                (default: :obj:`None`)
            noise (float, optional): The length of the noise that :func:`~soil_pyg.nn.perturb` adds
                after each layer. (default: :obj:`0.0`)
        """
        total = hidden = self.start(self.encode(x))
        for _ in range(2):
            user, item = self.conv(hidden, edge_index, edge_weight)
            hidden = perturb(user, noise), perturb(item, noise)
            total = total[0] + hidden[0], total[1] + hidden[1]
        return total

    def __repr__(self) -> str:
        sizes = self.preference.num_embeddings, self.project.in_features, self.output.out_features
        return f"{self.__class__.__name__}({', '.join(map(str, sizes))})"
