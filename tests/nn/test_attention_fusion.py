import math

import pytest
import torch
from torch import Tensor

from api_cases import wrong_arguments
from soil_pyg.nn import AttentionFusion

CHANNELS = 4


def make(divide: bool = False) -> AttentionFusion:
    torch.manual_seed(0)
    return AttentionFusion(CHANNELS, divide).double()


def make_views(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(5, CHANNELS, generator=generator, dtype=torch.float64)] + [
        3 * torch.randn(5, CHANNELS, generator=generator, dtype=torch.float64)
        for _ in range(count - 1)
    ]


def attention(fusion: AttentionFusion, views: list[list[float]]) -> list[float]:
    """Returns the attention that one node pays to each of its views."""
    matrix, bias = fusion.project.weight.tolist(), fusion.project.bias.tolist()
    query = fusion.query.weight[0].tolist()
    scores = []
    for view in views:
        score = 0.0
        for row in range(CHANNELS):
            total = bias[row] + sum(w * v for w, v in zip(matrix[row], view, strict=True))
            score += query[row] * math.tanh(total)
        scores.append(score)
    exponentials = [math.exp(score) for score in scores]
    return [e / sum(exponentials) for e in exponentials]


@pytest.mark.parametrize("divide", [False, True])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_equals_the_formula(count: int, divide: bool) -> None:
    fusion, views = make(divide), make_views(count)
    out = fusion(views)
    for node in range(5):
        of_node = [view[node].tolist() for view in views]
        weights = [1 - a for a in attention(fusion, of_node)]
        assert sum(weights) == pytest.approx(count - 1)
        for channel in range(CHANNELS):
            total = sum(w * v[channel] for w, v in zip(weights, of_node, strict=True))
            expected = total / (count + 1) if divide else total
            assert out[node, channel].item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_attention_sums_to_one(count: int) -> None:
    view = make_views(1)[0]
    torch.testing.assert_close(make()([view] * count), (count - 1) * view)


def test_a_single_view_is_the_result() -> None:
    (view,) = make_views(1)
    assert make()([view]).equal(view)
    assert make(divide=True)([view]).equal(view / 2)


def test_zero_views_give_zero() -> None:
    zeros = torch.zeros(2, CHANNELS, dtype=torch.float64)
    assert make()([zeros, zeros]).equal(zeros)


def test_parameters() -> None:
    fusion = make()
    sizes = {name: tuple(p.size()) for name, p in fusion.named_parameters()}
    assert sizes == {"project.weight": (4, 4), "project.bias": (4,), "query.weight": (1, 4)}
    before = [p.clone() for p in fusion.parameters()]
    fusion.reset_parameters()
    assert not any(p.equal(b) for p, b in zip(fusion.parameters(), before, strict=True))


def test_repr_and_errors() -> None:
    assert str(AttentionFusion(8)) == "AttentionFusion(8, divide=False)"
    assert str(AttentionFusion(8, divide=True)) == "AttentionFusion(8, divide=True)"
    with pytest.raises(ValueError, match=r"'views'.*\(got none\)"):
        make()([])


test_wrong_arguments = wrong_arguments("AttentionFusion")
