import torch
from torch import Tensor
from torch.nn import Linear

from soil_pyg.nn.feature_projection import FeatureProjection
from soil_pyg.utils.checks import check_flag


class ModalityGate(torch.nn.Module):
    r"""Gates the embeddings of nodes by their features of a modality.

    .. math::
        \mathbf{h}_i = \mathbf{e}_i \odot g(\mathbf{x}_i)

    where :math:`g(\mathbf{x}) = \mathbf{W}\mathbf{x} + \mathbf{b}` (Eq. 11 of `"SOIL: Contrastive
    Second-Order Interest Learning for Multimodal Recommendation"
    <https://doi.org/10.1145/3664647.3681207>`_) or, as in its released code,
    :math:`g(\mathbf{x}) = \sigma(\mathbf{W}_2(\mathbf{W}\mathbf{x} + \mathbf{b}) + \mathbf{b}_2)`.

    Args:
        in_channels (int): The dimension of the features, or :obj:`-1` to take it from the first.
        out_channels (int): The dimension of the embeddings.
        sigmoid (bool, optional): If set to :obj:`True`, uses the second form.
            (default: :obj:`False`)

    Shapes:
        - **inputs:** features :math:`(|\mathcal{V}|, F_{in})`,
          embeddings :math:`(|\mathcal{V}|, F_{out})`
        - **outputs:** :math:`(|\mathcal{V}|, F_{out})`

    Example:
        >>> gate = ModalityGate(in_channels=16, out_channels=8)
        >>> gate(torch.randn(3, 16), torch.randn(3, 8)).size()
        torch.Size([3, 8])
    """

    def __init__(self, in_channels: int, out_channels: int, sigmoid: bool = False) -> None:
        super().__init__()
        check_flag("sigmoid", sigmoid)
        self.out_channels = out_channels
        self.sigmoid = sigmoid
        self.project = FeatureProjection(in_channels, out_channels)
        self.gate = Linear(out_channels, out_channels) if sigmoid else None

    def reset_parameters(self) -> None:
        """Draws new weights, as PyTorch's linear layers do."""
        self.project.reset_parameters()
        if self.gate is not None:
            self.gate.reset_parameters()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Multiplies the embeddings with the gate of the features.

        Args:
            x (Tensor): The features.
            embedding (Tensor): The embeddings of the same nodes.
        """
        out: Tensor = self.project(x)
        if self.gate is not None:
            out = self.gate(out).sigmoid()
        return embedding * out

    def __repr__(self) -> str:
        name = self.__class__.__name__
        return f"{name}({self.project.in_features}, {self.out_channels}, sigmoid={self.sigmoid})"
