import math

import pytest
import torch

from api_cases import wrong_arguments
from soil_pyg.nn import Adjacency, NeighbourAttention, SampledAdjacency

EDGE_INDEX = torch.tensor([[0, 4, 4, 2, 1], [0, 0, 3, 1, 3]])


def test_equals_the_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randn(n, 3, generator=generator) for n in (5, 4))
    matrix = Adjacency.from_edge_index(EDGE_INDEX, size=(5, 4))
    expected = torch.zeros(4, 5)
    for node in range(4):
        near = EDGE_INDEX[0, EDGE_INDEX[1] == node].tolist()
        exps = {other: math.exp(float(source[other] @ target[node])) for other in near}
        for other, value in exps.items():
            expected[node, other] = value / sum(exps.values())
    expected = expected[matrix.row(), matrix.col.long()]
    torch.testing.assert_close(NeighbourAttention()((source, target), matrix), expected)
    # A sampled matrix is averaged over its part.
    sampled = SampledAdjacency(matrix, torch.full((4,), 3.0), torch.ones(5))
    torch.testing.assert_close(NeighbourAttention()((source, target), sampled), expected)


def test_the_weights_of_the_matrix_play_no_part() -> None:
    weight = torch.arange(1, 6)
    matrix = Adjacency.from_edge_index(EDGE_INDEX, weight, size=(5, 4))
    x = torch.randn(5, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    out = NeighbourAttention()(x, matrix)
    plain = NeighbourAttention()(x, Adjacency.from_edge_index(EDGE_INDEX, size=(5, 4)))
    assert out.equal(plain)
    out.square().sum().backward()
    assert x[0].grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.double])
def test_precision(dtype: torch.dtype) -> None:
    matrix = Adjacency.from_edge_index(EDGE_INDEX, size=(5, 4))
    x = torch.ones(5, 3, dtype=dtype), torch.ones(4, 3, dtype=dtype)
    weight = NeighbourAttention()(x, matrix)
    assert weight.dtype == torch.promote_types(dtype, torch.float32)
    assert weight.tolist() == [0.5, 0.5, 1, 0.5, 0.5]


test_wrong_arguments = wrong_arguments("NeighbourAttention")


@pytest.mark.parametrize("sizes", [(2, 1), (6, 2), (7, 1)])
def test_numbers_of_nodes_that_do_not_match(sizes: tuple[int, int]) -> None:
    matrix = Adjacency.from_edge_index(torch.tensor([[0, 5], [0, 0]]), size=(6, 1))
    x = tuple(torch.ones(size, 3) for size in sizes)
    with pytest.raises(ValueError, match=r"'x' must have \(1, 6\) target and source rows"):
        NeighbourAttention()(x, matrix)
