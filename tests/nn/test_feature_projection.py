import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import Linear

from api_cases import wrong_arguments
from soil_pyg.nn import FeatureProjection, ModalityEncoder, ModalityGate


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


@pytest.mark.parametrize("is_copied", [False, True])
def test_the_size_is_that_of_the_first_features(is_copied: bool) -> None:
    layer = FeatureProjection(-1, 8)
    if is_copied:
        layer = copy.deepcopy(layer)
    assert str(layer) == "FeatureProjection(-1, 8)"
    layer.reset_parameters()
    x = torch.randn(5, 16)
    torch.manual_seed(0)
    out = layer(x)
    torch.manual_seed(0)
    expected = FeatureProjection(16, 8)
    assert out.equal(expected(x))
    assert str(layer) == str(expected)
    layer.load_state_dict(expected.state_dict())


def test_weights_of_a_known_size_are_loaded() -> None:
    expected, layer = FeatureProjection(16, 8), torch.nn.Sequential(FeatureProjection(-1, 8))
    layer.load_state_dict({f"0.{name}": value for name, value in expected.state_dict().items()})
    x = torch.randn(5, 16)
    assert layer(x).equal(expected(x))


@pytest.mark.parametrize(
    ("layer", "arguments"),
    [
        (ModalityGate(-1, 8), (torch.randn(5, 8),)),
        (ModalityEncoder(3, -1, 8), (torch.tensor([[0, 2], [4, 1]]),)),
    ],
)
def test_layers_with_a_projection(layer: torch.nn.Module, arguments: tuple[Tensor, ...]) -> None:
    layer(torch.randn(5, 16), *arguments)
    assert layer.project.weight.size(1) == 16
    assert "16" in str(layer)


@pytest.mark.parametrize(
    "make",
    [
        lambda: FeatureProjection(-1, 8),
        lambda: ModalityGate(-1, 8),
        lambda: ModalityEncoder(3, -1, 8),
    ],
)
def test_a_layer_without_a_size_has_a_state(make: Callable[[], torch.nn.Module]) -> None:
    layer, other = make(), make()
    state = layer.state_dict()
    assert state.keys() == dict(layer.named_parameters()).keys()
    other.load_state_dict(state)
    assert copy.deepcopy(other).state_dict().keys() == state.keys()


test_wrong_arguments = wrong_arguments("FeatureProjection")
