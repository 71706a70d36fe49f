"""Edges in every form that PyG has, against dense matrices, and inputs that do not match."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.nn import SimpleConv

from soil_pyg.nn import Adjacency, BipartiteConv, LightConv, LightPropagation, MeanPropagation
from soil_pyg.nn.conv.inputs import check_both

NUM_SOURCES, NUM_TARGETS = 4, 3
# Sorted by neither row nor column; target 2 has no edge, one edge is repeated.
EDGES = torch.tensor([[3, 0, 2, 0, 1, 3], [1, 1, 0, 0, 1, 1]])
WEIGHT = torch.tensor([0.5, 2.0, -1.0, 3.0, 0.25, 4.0])
SIZE = (NUM_SOURCES, NUM_TARGETS)

Form = Callable[[Tensor], tuple[Any, Tensor | None]]


def coo(weight: Tensor) -> Tensor:
    return torch.sparse_coo_tensor(EDGES.flip(0), weight, SIZE[::-1], check_invariants=True)


def sorted_edges(order: str) -> Form:
    row = 0 if order == "row" else 1
    perm = EDGES[row].argsort(stable=True)
    return lambda w: (EdgeIndex(EDGES[:, perm], sparse_size=SIZE, sort_order=order), w[perm])


FORMS: dict[str, Form] = {
    "edge_index": lambda w: (EDGES, w),
    "column of weights": lambda w: (EDGES, w.unsqueeze(1)),
    "int32": lambda w: (EDGES.int(), w),
    "not contiguous": lambda w: (EDGES.t().contiguous().t(), w),
    "EdgeIndex": lambda w: (EdgeIndex(EDGES, sparse_size=SIZE), w),
    "by row": sorted_edges("row"),
    "by column": sorted_edges("col"),
    "COO": lambda w: (coo(w), None),
    "coalesced COO": lambda w: (coo(w).coalesce(), None),
    "CSR": lambda w: (coo(w).coalesce().to_sparse_csr(), None),
    "CSC": lambda w: (coo(w).coalesce().to_sparse_csc(), None),
    "Adjacency": lambda w: (Adjacency.from_edge_index(EDGES, w, SIZE), None),
}


def features(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return tuple(torch.randn(size, 2, generator=rng).to(dtype).requires_grad_() for size in SIZE)


def dense(weight: Tensor) -> Tensor:
    return weight.new_zeros(SIZE[::-1]).index_put((EDGES[1], EDGES[0]), weight, accumulate=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("form", FORMS)
def test_light_conv_against_a_dense_matrix(form: str, dtype: torch.dtype) -> None:
    x, weight = features(dtype), WEIGHT.clone().requires_grad_()
    edges, edge_weight = FORMS[form](weight)
    ours = LightConv()(x, edges, edge_weight)
    assert ours.dtype == dtype
    expected = dense(weight).to(dtype) @ x[0]
    tolerance = {} if dtype.itemsize > 2 else {"rtol": 0.05, "atol": 0.05}
    torch.testing.assert_close(ours, expected, **tolerance)
    grads = [torch.autograd.grad(y.sum(), (x[0], weight)) for y in (ours, expected)]
    for mine, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(mine, theirs, **tolerance)


@pytest.mark.parametrize("form", ["edge_index", "COO", "CSR", "CSC"])
def test_light_conv_against_simple_conv(form: str) -> None:
    x = features()
    edges, edge_weight = FORMS[form](WEIGHT)
    options = {} if edge_weight is None else {"edge_weight": edge_weight}
    expected = SimpleConv(aggr="sum")(x, edges, **options)
    torch.testing.assert_close(LightConv()(x, edges, **options), expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layer", [BipartiteConv(), LightPropagation(2), MeanPropagation(2)])
def test_other_layers_give_the_same_for_every_form(layer: torch.nn.Module, form: str) -> None:
    x, weight = features(), WEIGHT.abs()
    expected = layer(x, EDGES, weight)
    if isinstance(layer, BipartiteConv):
        matrix = dense(weight)
        torch.testing.assert_close(expected, (matrix.t() @ x[1], matrix @ x[0]))
    torch.testing.assert_close(layer(x, *FORMS[form](weight)), expected)


def wrong_inputs() -> list[Any]:
    x, y = features()
    matrix = Adjacency.from_edge_index(EDGES, WEIGHT, SIZE)
    bsr = torch.ones(4, 4).to_sparse_bsr((2, 2))
    hybrid = torch.sparse_coo_tensor(EDGES.flip(0), torch.ones(6, 2), (*SIZE[::-1], 2))
    return [
        ((x[0], y), EDGES, {}, "x"),
        ((x.long(), y), EDGES, {}, "x"),
        ((x, y.bool()), EDGES, {}, "x"),
        ((None, y), EDGES, {}, "x"),
        ((x,), EDGES, {}, "x"),
        ("x", EDGES, {}, "x"),
        ((x[:3], y), EDGES, {}, "edge_index"),
        ((x, y[:1]), EDGES, {}, "edge_index"),
        ((x[:3], y), matrix, {}, "x"),
        ((x, y[:2]), matrix, {}, "x"),
        ((x, y), EDGES.float(), {}, "edge_index"),
        ((x, y), EDGES.t(), {}, "edge_index"),
        ((x, y), EDGES[0], {}, "edge_index"),
        ((x, y), EDGES - 1, {}, "edge_index"),
        ((x, y), EDGES.tolist(), {}, "edge_index"),
        ((x, x), bsr, {}, "edge_index"),
        ((x, y), hybrid, {}, "edge_index"),
        ((x, y), EDGES, {"edge_weight": WEIGHT[:5]}, "edge_weight"),
        ((x, y), EDGES, {"edge_weight": WEIGHT.repeat(2, 1).t()}, "edge_weight"),
        ((x, y), matrix, {"edge_weight": WEIGHT}, "edge_weight"),
        ((x, y), coo(WEIGHT), {"edge_weight": WEIGHT}, "edge_weight"),
        ((x, y), EDGES, {"size": (4, 4)}, "size"),
        ((x, y), matrix, {"size": (4, 4)}, "size"),
    ]


@pytest.mark.parametrize(("x", "edges", "options", "argument"), wrong_inputs())
def test_wrong_inputs(x: Any, edges: Any, options: dict[str, Any], argument: str) -> None:
    layers: list[torch.nn.Module] = [LightConv()]
    if "size" not in options:
        layers += [BipartiteConv(), LightPropagation(1)]
    for layer in layers:
        with pytest.raises(ValueError, match=f"'{argument}'"):
            layer(x, edges, **options)


def test_targets_without_features() -> None:
    x, _ = features()
    expected = LightConv()((x, None), EDGES, WEIGHT, size=SIZE)
    for form in ("COO", "CSC", "Adjacency", "by column"):
        torch.testing.assert_close(LightConv()((x, None), *FORMS[form](WEIGHT)), expected)
    with pytest.raises(ValueError, match="'x'"):
        BipartiteConv()((x, None), EDGES)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value: float) -> None:
    weight = WEIGHT.index_fill(0, torch.tensor([2]), value)
    with pytest.raises(ValueError, match="'edge_weight'"):
        Adjacency.from_edge_index(EDGES, weight, SIZE)


def test_features_of_both_sides() -> None:
    source, target = torch.ones(2, 3), torch.ones(4, 3)
    assert check_both((source, target)) == (source, target)
    for x in (source, (source, None)):
        with pytest.raises(ValueError, match="'x' must be a pair"):
            check_both(x)
