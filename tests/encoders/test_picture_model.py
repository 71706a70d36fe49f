from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from soil_pyg.encoders.efficientnet_lite0 import EfficientNetLite0
from soil_pyg.encoders.picture_model import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    CentreCrop,
    check_loadable,
    from_module,
    load_picture_model,
)


def test_centre_crop() -> None:
    """A picture whose centre is white, on black."""
    pixels = np.zeros((40, 80, 3), dtype=np.uint8)
    pixels[10:30, 30:50] = 255
    crop = CentreCrop(8, 0.5, (0.5, 0.5, 0.5), (0.5, 0.25, 0.1))
    x = crop(Image.fromarray(pixels))
    assert x.dtype == torch.float32
    assert x.size() == (3, 8, 8)
    inner = x[:, 1:-1, 1:-1]
    assert torch.allclose(inner, torch.tensor([1.0, 2.0, 5.0]).view(3, 1, 1).expand(3, 6, 6))
    assert (x > 0.6).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (3, 2), (300, 200)])
def test_every_size_of_picture(size: tuple[int, int]) -> None:
    x = CentreCrop(224, 0.875, IMAGENET_MEAN, IMAGENET_STD)(Image.new("RGB", size, "red"))
    assert x.size() == (3, 224, 224)
    assert x[0].unique().tolist() == pytest.approx([(1 - 0.485) / 0.229])


def test_a_module_is_copied() -> None:
    module = torch.nn.Dropout()
    model = from_module(module)
    assert module.training
    assert not model.module.training


def test_file_without_weights_of_the_network(tmp_path: Path) -> None:
    path = tmp_path / "efficientnet-lite0.pth"
    torch.save({"weight": torch.zeros(1)}, path)
    for content, reason in ((path.read_bytes(), "Missing key"), (b"", ""), (b"no weights", "")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{path} .*: .*{reason}"):
            load_picture_model(path)


class TestWithTimm:
    @pytest.fixture(autouse=True)
    def _timm(self) -> None:
        self.timm = pytest.importorskip("timm", reason="needs the extra 'timm'")
        self.image = Image.radial_gradient("L").resize((200, 150)).convert("RGB")

    def expected(self, model: torch.nn.Module) -> torch.Tensor:
        model.eval().reset_classifier(0)
        transform = self.timm.data.create_transform(
            **self.timm.data.resolve_model_data_config(model)
        )
        with torch.inference_mode():
            return model(transform(self.image)[None])

    def check(self, path: Path, expected: torch.Tensor) -> None:
        check_loadable(path)
        module, prepare = load_picture_model(path)
        with torch.inference_mode():
            assert torch.equal(module(prepare(self.image)[None]), expected)

    @pytest.mark.usefixtures("no_network")
    def test_folder(self, tmp_path: Path) -> None:
        model = self.timm.create_model("test_resnet.r160_in1k")
        self.timm.models.save_for_hf(model, str(tmp_path), safe_serialization=True)
        self.check(tmp_path, self.expected(model))

    @pytest.mark.usefixtures("no_network")
    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    def test_file(self, suffix: str, tmp_path: Path) -> None:
        model = self.timm.create_model("test_resnet.r160_in1k")
        path = tmp_path / f"test_resnet.r160_in1k{suffix}"
        write: Callable = torch.save if suffix == ".pth" else save_file
        write(model.state_dict(), path)
        self.check(path, self.expected(model))

    def test_crop_is_about_that_of_timm(self) -> None:
        ours = CentreCrop(224, 0.875, IMAGENET_MEAN, IMAGENET_STD)(self.image)
        theirs = self.timm.data.create_transform((3, 224, 224), interpolation="bicubic")(self.image)
        assert (ours - theirs).abs().mean() < 0.03

    def test_unknown_name(self, tmp_path: Path) -> None:
        save_file({"x": torch.zeros(1)}, tmp_path / "no_such_model.safetensors")
        with pytest.raises(ValueError, match="Unknown model"):
            load_picture_model(tmp_path / "no_such_model.safetensors")

    def test_folder_without_a_model(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=str(tmp_path)):
            load_picture_model(tmp_path)

    def test_nothing_is_unpickled(self, tmp_path: Path) -> None:
        torch.save(EfficientNetLite0(), tmp_path / "test_resnet.pth")
        with pytest.raises(ValueError, match=str(tmp_path / "test_resnet.pth")):
            load_picture_model(tmp_path / "test_resnet.pth")
