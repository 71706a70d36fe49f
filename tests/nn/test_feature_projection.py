import pytest
import torch
from torch.nn import Linear

from soil_pyg.nn import FeatureProjection


@pytest.mark.parametrize("num_nodes", [0, 1, 5, 64, 150])
def test_is_a_linear_layer(num_nodes: int, onednn: bool) -> None:
    torch.manual_seed(0)
    layer = FeatureProjection(16, 8)
    torch.manual_seed(0)
    expected = Linear(16, 8)
    assert layer.state_dict().keys() == expected.state_dict().keys()
    assert str(layer) == "FeatureProjection(16, 8)"
    x = torch.randn(num_nodes, 16)
    for out in (layer(x), expected(x)):
        out.square().sum().backward()
    torch.testing.assert_close(layer(x), expected(x))
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(parameter.grad, expected.get_parameter(name).grad)


@pytest.mark.parametrize("shape", [(16,), (2, 3, 16)])
def test_any_number_of_dimensions(shape: tuple[int, ...], onednn: bool) -> None:
    layer, x = FeatureProjection(16, 8), torch.randn(shape)
    out = layer(x)
    torch.testing.assert_close(out, torch.nn.functional.linear(x, layer.weight, layer.bias))
    out.sum().backward()
    assert layer.weight.grad is not None


def test_reads_autocast(onednn: bool) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert FeatureProjection(16, 8)(torch.randn(5, 16)).dtype == torch.bfloat16
