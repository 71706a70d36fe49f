import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Linear

from soil_pyg.ops.matmul import SIZE_STEP, matmul_t, uses_onednn
from soil_pyg.utils.checks import check_integer


class FeatureProjection(Linear):
    r"""A linear layer for features of many dimensions, multiplied by
    :func:`~soil_pyg.ops.matmul.matmul_t`.

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
        >>> FeatureProjection(16, 8)(torch.randn(3, 16)).size()
        torch.Size([3, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        check_integer("in_channels", in_channels, 1)
        check_integer("out_channels", out_channels, 1)
        super().__init__(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Projects the features.

        Args:
            x (Tensor): The features.
        """
        return project(x, self.weight, self.bias)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.in_features}, {self.out_features})"


def project(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""Returns :math:`\mathbf{X} \mathbf{W}^{\top} + \mathbf{b}` for numbers of rows that vary."""
    if not uses_onednn(x, weight):
        return F.linear(x, weight, bias)
    rest = x.size(0) % SIZE_STEP
    if rest > 0:
        out = torch.cat([matmul_t(x[:-rest], weight), x[-rest:] @ weight.t()])
    else:
        out = matmul_t(x, weight)
    return out if bias is None else out + bias
