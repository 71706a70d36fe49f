from torch import Tensor
from torch.nn import Linear

from soil_pyg.nn.product import product, uses_onednn


class FeatureProjection(Linear):
    r"""A linear layer for features of many dimensions, multiplied by
    :func:`~soil_pyg.nn.product.product`.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{W} \mathbf{x}_i + \mathbf{b}

    Parameters, their initial values and the result are those of :class:`torch.nn.Linear`.

    Args:
        in_channels (int): The dimension of the features.
        out_channels (int): The dimension of the result.

    Shapes:
        - **inputs:** features :math:`(|\mathcal{V}|, F_{in})`
        - **outputs:** :math:`(|\mathcal{V}|, F_{out})`

    Example:
        >>> import torch
        >>> FeatureProjection(16, 8)(torch.randn(3, 16)).size()
        torch.Size([3, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Projects the features.

        Args:
            x (Tensor): The features.
        """
        if not uses_onednn(x, self.weight):
            return super().forward(x)
        return product(x, self.weight) + self.bias

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.in_features}, {self.out_features})"
