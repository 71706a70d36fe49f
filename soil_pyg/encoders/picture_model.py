"""Networks that map pictures to vectors, with the preprocessing of their pictures."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import Module

from soil_pyg.encoders.efficientnet_lite0 import EfficientNetLite0
from soil_pyg.encoders.extras import check_installed, importing

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PictureModel(NamedTuple):
    """A network in evaluation mode and the preprocessing of its pictures."""

    module: Module
    prepare: Callable[[Image.Image], Tensor]


@dataclass(frozen=True)
class CentreCrop:
    """Crops the central square of a picture, resizes it and normalises its colours."""

    size: int
    """The width and height of the result."""
    share: float
    """The side of the square as a share of the shorter side of the picture."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, image: Image.Image) -> Tensor:
        """Returns a picture in RGB as a tensor of shape :obj:`[3, size, size]`."""
        side = self.share * min(image.size)
        left, top = ((length - side) / 2 for length in image.size)
        box = (left, top, left + side, top + side)
        image = image.resize((self.size, self.size), Image.Resampling.BICUBIC, box)
        # In single precision throughout: doubles would be twice the work.
        mean, std = np.array([self.mean, self.std], dtype=np.float32) * 255
        pixels = (np.asarray(image, dtype=np.float32) - mean) / std
        return torch.from_numpy(pixels).permute(2, 0, 1)


def from_module(module: Module) -> PictureModel:
    """Wraps a copy of a network for pictures of 224 x 224 pixels, normalised like ImageNet."""
    prepare = CentreCrop(224, 0.875, IMAGENET_MEAN, IMAGENET_STD)
    return PictureModel(deepcopy(module).eval(), prepare)


def is_efficientnet_lite0(path: Path) -> bool:
    """Returns whether a file has the name of the weights of :class:`EfficientNetLite0`."""
    return path.is_file() and path.name.startswith("efficientnet-lite0")


def load_picture_model(path: Path) -> PictureModel:
    """Loads a network with its weights.

    The path holds the weights of :class:`EfficientNetLite0`; or, for timm, a folder with
    :obj:`config.json` and weights, or a file of weights named after its model in timm, such as
    :obj:`resnet18.a1_in1k.safetensors`. Raises :class:`ImportError` if timm is required but not
    installed, and :class:`ValueError` if there are no weights or they belong to another network.
    """
    try:
        if is_efficientnet_lite0(path):
            crop = CentreCrop(224, 0.875, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
            return PictureModel(EfficientNetLite0.from_file(path), crop)
        return _load_with_timm(path)
    except ImportError:
        raise
    # Other files raise errors of any type.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} is not a picture model: {reason}") from error


def check_loadable(path: Path) -> None:
    """Raises :class:`ImportError` if a model requires timm, which is not installed."""
    if not is_efficientnet_lite0(path):
        check_installed("timm", "timm", "encode the pictures with 'efficientnet-lite0'")


def _load_with_timm(path: Path) -> PictureModel:
    with importing("timm"):
        import timm
    if path.is_dir():
        name, source = f"local-dir:{path}", None
    else:
        name, source = path.stem, {"file": str(path)}
    module = timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=source)
    config = timm.data.resolve_model_data_config(module)
    return PictureModel(module.eval(), timm.data.create_transform(**config))
