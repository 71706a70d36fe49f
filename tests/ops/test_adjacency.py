import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric import EdgeIndex

from api_cases import wrong_arguments
from soil_pyg.ops.adjacency import Adjacency

NUM_SOURCES, NUM_TARGETS = 4, 6
# Unsorted, the edge 3 -> 0 twice, target 2 and source 2 without edges.
EDGE_INDEX = torch.tensor([[3, 0, 1, 3, 0, 1, 3], [5, 1, 0, 0, 4, 3, 0]])
EDGE_WEIGHT = torch.tensor([0.5, -2.0, 1.5, 4.0, 0.25, -1.0, 3.0])
SIZE = (NUM_SOURCES, NUM_TARGETS)


def dense(edge_index: Tensor, edge_weight: Tensor, size: tuple[int, int]) -> Tensor:
    out = torch.zeros(size[1], size[0], dtype=edge_weight.dtype)
    for (source, target), weight in zip(edge_index.t().tolist(), edge_weight, strict=True):
        out[target, source] += weight
    return out


def make(dtype: torch.dtype = torch.float) -> Adjacency:
    return Adjacency.from_edge_index(EDGE_INDEX, EDGE_WEIGHT.to(dtype), SIZE)


def features(num_rows: int, dtype: torch.dtype = torch.float) -> Tensor:
    return torch.randn(num_rows, 3, generator=torch.Generator().manual_seed(0), dtype=dtype)


def test_arrays() -> None:
    adjacency = make()
    assert str(adjacency) == "Adjacency(6, 4, num_edges=7)"
    assert adjacency.size == (6, 4)
    assert adjacency.rowptr.tolist() == [0, 3, 4, 4, 5, 6, 7]
    assert adjacency.col.tolist() == [1, 3, 3, 0, 1, 0, 3]
    assert adjacency.weight.tolist() == [1.5, 4.0, 3.0, -2.0, -1.0, 0.25, 0.5]
    assert adjacency.rowptr.dtype == adjacency.col.dtype == torch.int32


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(-3, 3)), max_size=25))
def test_any_edges_equal_the_dense_matrix(edges: list[tuple[int, int, int]]) -> None:
    table = torch.tensor(edges, dtype=torch.long).view(-1, 3)
    edge_index, weight = table[:, :2].t(), table[:, 2].float()
    adjacency = Adjacency.from_edge_index(edge_index, weight, size=(4, 5))
    expected = dense(edge_index, weight, (4, 5))
    assert adjacency.to_dense().tolist() == expected.tolist()
    assert adjacency.t().to_dense().tolist() == expected.t().tolist()
    x = torch.arange(8.0).view(4, 2)
    assert (adjacency @ x).tolist() == (expected @ x).tolist()
    assert (adjacency.t() @ torch.ones(5, 1)).tolist() == expected.sum(0).unsqueeze(1).tolist()


def test_edges_without_weights_weigh_one() -> None:
    adjacency = Adjacency.from_edge_index(EDGE_INDEX, size=SIZE)
    assert adjacency.to_dense().equal(dense(EDGE_INDEX, torch.ones(7), SIZE))


def test_csr_rows_are_targets() -> None:
    expected = dense(EDGE_INDEX, EDGE_WEIGHT, SIZE)
    adjacency = Adjacency.from_csr(expected.to_sparse_csr())
    assert adjacency.size == (NUM_TARGETS, NUM_SOURCES)
    assert adjacency.to_dense().equal(expected)


def test_edge_index_that_knows_its_size() -> None:
    edge_index = EdgeIndex(EDGE_INDEX, sparse_size=SIZE)
    assert Adjacency.from_edge_index(edge_index, EDGE_WEIGHT).to_dense().equal(make().to_dense())


@pytest.mark.parametrize("sort_order", ["row", "col"])
@pytest.mark.parametrize("is_cached", [False, True])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_sorted_edge_index(sort_order: str, is_cached: bool, dtype: torch.dtype) -> None:
    order = torch.argsort(EDGE_INDEX[0 if sort_order == "row" else 1], stable=True)
    edges, weight = EDGE_INDEX[:, order].to(dtype), EDGE_WEIGHT[order].double()
    edge_index = EdgeIndex(edges, sparse_size=SIZE, sort_order=sort_order)
    if is_cached:
        edge_index.fill_cache_()
    expected = dense(EDGE_INDEX, EDGE_WEIGHT.double(), SIZE)
    adjacency = Adjacency.from_edge_index(edge_index, weight)
    assert adjacency.to_dense().equal(expected)
    assert adjacency.t().to_dense().equal(expected.t())
    assert adjacency.t().t() is adjacency
    for learnable in (False, True):
        adjacency.weight.requires_grad_(learnable)
        x = features(NUM_SOURCES, torch.float64).requires_grad_()
        out = adjacency.t() @ (adjacency @ x)
        torch.testing.assert_close(out, expected.t() @ expected @ x)
        grads = torch.autograd.grad(out.sum(), [x, adjacency.weight][: 1 + learnable])
        ones = torch.ones(NUM_SOURCES, 3, dtype=torch.float64)
        torch.testing.assert_close(grads[0], expected.t() @ expected @ ones)
        if learnable:
            row, col = adjacency.row(), adjacency.col.long()
            slope = (expected @ ones)[row] * x[col] + (expected @ x)[row] * ones[col]
            torch.testing.assert_close(grads[1], slope.sum(1))


def test_indices_of_32_bits_do_not_overflow() -> None:
    # The keys target * num_sources + source of these edges exceed 2^31.
    num_nodes = 70_000
    edge_index = torch.tensor([[5, 1, 7], [69_999, 40_000, 2]])
    adjacency = Adjacency.from_edge_index(edge_index.int(), size=(num_nodes, num_nodes))
    assert adjacency.col.tolist() == [7, 1, 5]
    out = adjacency @ torch.arange(float(num_nodes)).unsqueeze(1)
    assert out[[2, 40_000, 69_999], 0].tolist() == [7.0, 1.0, 5.0]
    assert out.sum().item() == 13.0


def test_no_edges() -> None:
    adjacency = Adjacency.from_edge_index(torch.empty(2, 0, dtype=torch.long), size=SIZE)
    x = features(NUM_SOURCES).requires_grad_()
    out = adjacency @ x
    assert out.tolist() == [[0.0] * 3] * NUM_TARGETS
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0] * 3] * NUM_SOURCES
    assert str(adjacency.t()) == "Adjacency(4, 6, num_edges=0)"


def test_transposed_is_shared() -> None:
    adjacency = make()
    assert adjacency.t() is adjacency.t()
    assert adjacency.t().t() is adjacency


def test_prepared_in_both_directions() -> None:
    adjacency = make()
    assert adjacency._transposed is None
    assert adjacency.prepare() is adjacency
    transposed = adjacency._transposed
    assert adjacency.prepare().t() is transposed


def test_select_rows() -> None:
    adjacency = make()
    for index in ([0, 5, 0, 2], [4], []):
        rows = torch.tensor(index, dtype=torch.long)
        assert adjacency.select_rows(rows).to_dense().equal(adjacency.to_dense()[rows])


def test_the_order_of_the_transpose_is_kept_for_weights_that_change() -> None:
    adjacency = make()
    expected = adjacency.to_dense().t()
    assert adjacency.t().to_dense().equal(expected)
    assert adjacency._perm is adjacency.t()._perm is None
    adjacency.weight.requires_grad_()
    transposed = adjacency.t()
    assert transposed.to_dense().equal(expected)
    assert adjacency._perm is not None
    assert transposed.t().to_dense().equal(expected.t())
    (3 * transposed.t().weight).sum().backward()
    assert adjacency.weight.grad is not None
    assert adjacency.weight.grad.equal(torch.full_like(adjacency.weight, 3.0))


def test_to() -> None:
    adjacency = make().to(torch.float64)
    assert adjacency.weight.dtype == torch.float64
    assert adjacency.col.dtype == torch.int32
    assert adjacency.to("cpu").to_dense().equal(make().to_dense().double())
    moved = make().to("meta")
    assert {moved.rowptr.device.type, moved.col.device.type, moved.weight.device.type} == {"meta"}


def test_features_keep_their_type() -> None:
    assert (make() @ features(NUM_SOURCES).double()).dtype == torch.float64
    assert (make(torch.float64) @ features(NUM_SOURCES)).dtype == torch.float32


def test_no_graph_is_recorded_without_gradients() -> None:
    x = features(NUM_SOURCES).requires_grad_()
    assert (make() @ x).requires_grad
    with torch.no_grad():
        assert not (make() @ x).requires_grad
    assert not (make() @ x.detach()).requires_grad


@pytest.mark.parametrize("transpose", [False, True])
def test_gradcheck(transpose: bool) -> None:
    base = make()
    x = features(NUM_TARGETS if transpose else NUM_SOURCES, torch.float64)
    weight = base.weight.double()

    def multiply(x: Tensor, weight: Tensor) -> Tensor:
        adjacency = Adjacency(base.rowptr, base.col, weight, NUM_SOURCES)
        return (adjacency.t() if transpose else adjacency) @ x

    for x_grad, weight_grad in [(True, True), (True, False), (False, True)]:
        inputs = x.clone().requires_grad_(x_grad), weight.clone().requires_grad_(weight_grad)
        assert torch.autograd.gradcheck(multiply, inputs)


def test_gradient_of_features_that_are_not_contiguous() -> None:
    x = features(NUM_SOURCES, torch.float64).requires_grad_()
    (make(torch.float64) @ x).t().sum(dim=1, keepdim=True).expand(3, 5).sum().backward()
    expected = 5 * dense(EDGE_INDEX, EDGE_WEIGHT.double(), SIZE).sum(0)
    torch.testing.assert_close(x.grad, expected.unsqueeze(1).expand(4, 3))


def test_learnable_weights_can_be_trained_in_both_directions() -> None:
    weight = EDGE_WEIGHT.double().requires_grad_()
    reference = EDGE_WEIGHT.double().requires_grad_()
    adjacency = Adjacency.from_edge_index(EDGE_INDEX, weight, SIZE)
    learnable = adjacency.weight.detach().requires_grad_()
    adjacency = Adjacency(adjacency.rowptr, adjacency.col, learnable, NUM_SOURCES)
    x = features(NUM_SOURCES, torch.float64)
    for _ in range(3):
        learnable.grad = reference.grad = None
        (adjacency.t() @ (adjacency @ x)).square().sum().backward()
        matrix = torch.zeros(6, 4, dtype=torch.float64)
        matrix = matrix.index_put((EDGE_INDEX[1], EDGE_INDEX[0]), reference, accumulate=True)
        (matrix.t() @ (matrix @ x)).square().sum().backward()
        assert learnable.grad is not None
        assert reference.grad is not None
        order = torch.argsort(EDGE_INDEX[1] * NUM_SOURCES + EDGE_INDEX[0], stable=True)
        torch.testing.assert_close(learnable.grad, reference.grad[order])
        with torch.no_grad():
            learnable -= 0.01 * learnable.grad
            reference -= 0.01 * reference.grad
        assert adjacency.t().to_dense().equal(adjacency.to_dense().t())


def test_weights_that_are_learned_no_more_are_those_of_today() -> None:
    adjacency = make()
    learnable = adjacency.weight.clone().requires_grad_()
    adjacency = Adjacency(adjacency.rowptr, adjacency.col, learnable, NUM_SOURCES)
    adjacency.t()
    with torch.no_grad():
        learnable *= 2
    learnable.requires_grad_(False)
    assert adjacency.t().to_dense().equal(adjacency.to_dense().t())
    x = features(NUM_SOURCES).requires_grad_()
    (adjacency @ x).sum().backward()
    torch.testing.assert_close(x.grad, adjacency.to_dense().sum(0).unsqueeze(1).expand(4, 3))


@pytest.mark.parametrize("is_learned", [False, True])
def test_second_derivatives(is_learned: bool) -> None:
    adjacency = make(torch.float64)
    weight = adjacency.weight.requires_grad_(is_learned)

    def product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        matrix = Adjacency(adjacency.rowptr, adjacency.col, weight, NUM_SOURCES)
        return (matrix @ x).tanh()

    x = features(NUM_SOURCES, torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(product, (x, weight))


def test_unknown_size() -> None:
    for edge_index in (EDGE_INDEX, EdgeIndex(EDGE_INDEX)):
        with pytest.raises(ValueError, match="'size'"):
            Adjacency.from_edge_index(edge_index)


def test_edges_outside_of_the_size() -> None:
    for size, got in (
        ((3, 6), r"source.*less than 3 \(got 0..3\)"),
        ((4, 5), r"target.*\(got 0..5\)"),
    ):
        with pytest.raises(ValueError, match=got):
            Adjacency.from_edge_index(EDGE_INDEX, size=size)
    with pytest.raises(ValueError, match=r"source.*\(got -1..2\)"):
        Adjacency.from_edge_index(EDGE_INDEX - 1, size=(4, 5))


def test_weights_that_do_not_match_the_edges() -> None:
    for shape in [(8,), (6,), (7, 1)]:
        with pytest.raises(ValueError, match=rf"'edge_weight'.*7.*got {re.escape(str(shape))}"):
            Adjacency.from_edge_index(EDGE_INDEX, torch.ones(shape), SIZE)


def test_features_that_do_not_match() -> None:
    with pytest.raises(ValueError, match=r"'x'.*\(got 6\)"):
        make() @ features(NUM_TARGETS)


def test_other_weights_share_the_structure() -> None:
    edge_index = torch.tensor([[0, 3, 3, 2, 1], [0, 0, 2, 1, 2]])
    matrix = Adjacency.from_edge_index(edge_index, size=(4, 3))
    x, y = torch.randn(4, 2).requires_grad_(), torch.randn(3, 2)
    for seed in (0, 1):
        weight = torch.rand(5, generator=torch.Generator().manual_seed(seed))
        out = matrix.with_weight(weight)
        dense = torch.zeros(3, 4).index_put((matrix.row(), matrix.col.long()), weight)
        torch.testing.assert_close(out.to_dense(), dense)
        torch.testing.assert_close(out.t().to_dense(), dense.t())
        assert out.t().t() is out
        grads = [torch.autograd.grad(((a @ x) * y).sum(), x) for a in (out, dense)]
        torch.testing.assert_close(*grads)
        assert out.t().col is matrix.with_weight(weight).t().col
    assert matrix.weight.equal(torch.ones(5))


test_wrong_arguments = wrong_arguments("Adjacency")
