import pytest
import torch
from torch.nn import Linear

from soil_pyg.nn import FeatureProjection, product


@pytest.mark.parametrize("onednn", [False, product.PREFERS_ONEDNN])
def test_is_a_linear_layer(onednn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "PREFERS_ONEDNN", onednn)
    torch.manual_seed(0)
    layer = FeatureProjection(16, 8)
    torch.manual_seed(0)
    expected = Linear(16, 8)
    assert layer.state_dict().keys() == expected.state_dict().keys()
    assert str(layer) == "FeatureProjection(16, 8)"
    x = torch.randn(5, 16)
    for out in (layer(x), expected(x)):
        out.square().sum().backward()
    torch.testing.assert_close(layer(x), expected(x))
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(parameter.grad, expected.get_parameter(name).grad)


def test_reads_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert FeatureProjection(16, 8)(torch.randn(5, 16)).dtype == torch.bfloat16
