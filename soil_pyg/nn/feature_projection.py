from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Linear
from torch.nn.parameter import UninitializedParameter
from torch.utils.hooks import RemovableHandle

from soil_pyg.ops.matmul import SIZE_STEP, matmul_t, uses_onednn
from soil_pyg.utils.checks import check_integer


class FeatureProjection(Linear):
    r"""A linear layer for features of many dimensions, multiplied by
    :func:`~soil_pyg.ops.matmul.matmul_t`.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{W} \mathbf{x}_i + \mathbf{b}

    Parameters, their initial values and the result are those of :class:`torch.nn.Linear`.

    Args:
        in_channels (int): The dimension of the features, or :obj:`-1` to take it from the first
            features; until then there are no weights.
        out_channels (int): The dimension of the result.

    Shapes:
        - **inputs:** features :math:`(|\mathcal{V}|, F_{in})`
        - **outputs:** :math:`(|\mathcal{V}|, F_{out})`

    Example:
        >>> FeatureProjection(16, 8)(torch.randn(3, 16)).size()
        torch.Size([3, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        is_lazy = isinstance(in_channels, int) and in_channels == -1
        check_integer("in_channels", in_channels, -1 if is_lazy else 1)
        check_integer("out_channels", out_channels, 1)
        super().__init__(1 if is_lazy else in_channels, out_channels)
        if is_lazy:
            self.in_features = -1
            self.weight = UninitializedParameter()
            self._hooks: tuple[RemovableHandle, ...] = (
                self.register_forward_pre_hook(_draw),
                self.register_load_state_dict_pre_hook(_take_size),  # type: ignore[no-untyped-call]
            )

    def reset_parameters(self) -> None:
        """Draws the weights and the bias again, as :class:`torch.nn.Linear` does, if the dimension
        of the features is known.
        """
        if not isinstance(self.weight, UninitializedParameter):
            super().reset_parameters()

    def materialize(self, in_channels: int) -> None:
        """Makes room for the weights once the dimension of the features is known."""
        self.in_features = in_channels
        assert isinstance(self.weight, UninitializedParameter)
        self.weight.materialize((self.out_features, in_channels))
        for hook in self._hooks:
            hook.remove()

    def forward(self, x: Tensor) -> Tensor:
        """Projects the features.

        Args:
            x (Tensor): The features.
        """
        return project(x, self.weight, self.bias)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        weight = self.weight
        if not isinstance(weight, UninitializedParameter):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            return
        # Weights without a size cannot be detached.
        destination[f"{prefix}weight"] = weight
        destination[f"{prefix}bias"] = self.bias if keep_vars else self.bias.detach()

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.in_features}, {self.out_features})"


# Not methods, which a copy of the layer would bind to the first one.
def _draw(layer: FeatureProjection, inputs: tuple[Tensor, ...]) -> None:
    layer.materialize(inputs[0].size(-1))
    layer.reset_parameters()


def _take_size(
    layer: FeatureProjection, state: Mapping[str, Tensor], prefix: str, *_: object
) -> None:
    weight = state.get(f"{prefix}weight")
    if weight is not None and not isinstance(weight, UninitializedParameter):
        layer.materialize(weight.size(1))


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
