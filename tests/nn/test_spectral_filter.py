import cmath
import math

import pytest
import torch

from api_cases import wrong_arguments
from soil_pyg.nn import SpectralFilter


@pytest.mark.parametrize("channels", [1, 5, 6])
@pytest.mark.parametrize("num_inputs", [1, 3])
def test_equals_the_definition(channels: int, num_inputs: int) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(num_inputs, 4, channels, dtype=torch.double)
    layer, num_bins = SpectralFilter(channels).double(), channels // 2 + 1
    out, root = layer(*inputs), math.sqrt(channels)
    for row in range(4):
        bins = []
        for k in range(num_bins):
            value = complex(*layer.weight[k].tolist())
            for x in inputs[:, row].tolist():
                angles = [-2j * math.pi * k * n / channels for n in range(channels)]
                value *= sum(a * cmath.exp(b) for a, b in zip(x, angles, strict=True)) / root
            bins.append(value)
        for n in range(channels):
            total = bins[0].real
            for k in range(1, num_bins):
                # A bin stands for its conjugate too, unless it is its own.
                times = 1 if 2 * k == channels else 2
                total += times * (bins[k] * cmath.exp(2j * math.pi * k * n / channels)).real
            assert out[row, n].item() == pytest.approx(total / root, abs=1e-12)


def test_low_precision_is_transformed_in_single() -> None:
    x = torch.ones(2, 4)
    layer = SpectralFilter(4)
    torch.testing.assert_close(layer(x.bfloat16()), layer(x))
    assert str(layer) == "SpectralFilter(4)"


test_wrong_arguments = wrong_arguments("SpectralFilter")


@pytest.mark.parametrize("channels", [[], [9], [8, 9], [7]])
def test_other_channels(channels: list[int]) -> None:
    with pytest.raises(ValueError, match=r"'x' must have 8 channels each \(got"):
        SpectralFilter(8)(*(torch.randn(3, size) for size in channels))
