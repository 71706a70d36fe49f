from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from api_cases import wrong_arguments
from soil_pyg.nn import LearnedGraph
from soil_pyg.ops.collector import Features

NUM_ITEMS, K = 30, 4


def make_features(seed: int = 0) -> Features:
    """Three modalities in double precision; some items lack one, item 0 all of them."""
    generator = torch.Generator().manual_seed(seed)
    features = {}
    for modality, size in {"image": 5, "text": 3, "audio": 4}.items():
        x = torch.randn(NUM_ITEMS, size, generator=generator, dtype=torch.float64)
        has = torch.rand(NUM_ITEMS, generator=generator) < 0.8
        has[0] = False
        features[modality] = x.requires_grad_(), has
    return features


def naive(features: Features, weight: Tensor, negative: str) -> Tensor:
    """The definition with a dense matrix and loops, which autograd follows."""
    total = torch.zeros(NUM_ITEMS, NUM_ITEMS, dtype=torch.float64)
    for (x, has), share in zip(features.values(), weight, strict=True):
        cosine = F.cosine_similarity(x.unsqueeze(1), x.unsqueeze(0), dim=-1)
        mask = torch.zeros_like(total)
        for i in has.nonzero().view(-1).tolist():
            others = has.nonzero().view(-1).tolist()
            nearest = sorted(others, key=lambda j: (-cosine[i, j].item(), j))[:K]
            mask[i, [j for j in nearest if negative == "keep" or cosine[i, j] > 0]] = 1
        total = total + share * mask * cosine
    degree = total.sum(dim=1)
    factor = torch.where(degree != 0, degree.where(degree != 0, 1.0) ** -0.5, 0.0)
    return factor.unsqueeze(1) * total * factor


@pytest.mark.parametrize("negative", ["drop", "keep"])
def test_equals_the_definition_and_its_gradients(negative: str) -> None:
    features = make_features()
    weight = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64, requires_grad=True)
    inputs = [weight, *(x for x, _ in features.values())]
    out = LearnedGraph(K, negative)(features, weight)
    dense = torch.zeros(NUM_ITEMS, NUM_ITEMS, dtype=torch.float64)
    dense = dense.index_put((out.row(), out.col.long()), out.weight, accumulate=True)
    expected = naive(features, weight, negative)
    torch.testing.assert_close(dense, expected)
    assert dense[0].count_nonzero() == dense[:, 0].count_nonzero() == 0
    slope = torch.randn(NUM_ITEMS, NUM_ITEMS, dtype=torch.float64)
    grads = [torch.autograd.grad((slope * a).sum(), inputs) for a in (dense, expected)]
    torch.testing.assert_close(*grads)
    assert all(grad.ne(0).any() for grad in grads[0])


def test_gradients_flow_through_the_product() -> None:
    features = make_features()
    weight = torch.full((3,), 1 / 3, dtype=torch.float64)
    inputs = [x for x, _ in features.values()]
    y = torch.randn(NUM_ITEMS, 2, dtype=torch.float64, requires_grad=True)
    outs = [LearnedGraph(K)(features, weight) @ y, naive(features, weight, "drop") @ y]
    grads = [torch.autograd.grad(out.square().sum(), [y, *inputs]) for out in outs]
    torch.testing.assert_close(*grads)


def test_similarities_that_are_not_positive() -> None:
    x = torch.tensor([[1.0, 0.0], [-2.0, 0.0], [-1.0, 0.001], [-1.0, -0.001]])
    features = {"image": (x, torch.ones(4, dtype=torch.bool))}
    out = LearnedGraph(k=4)(features, torch.ones(1)).to_dense()
    assert out[0].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert out.isfinite().all()
    match = r"item 0.* -2 .*negative='drop'"
    with pytest.raises(ValueError, match=match):
        LearnedGraph(k=4, negative="keep")(features, torch.ones(1))


@pytest.mark.parametrize("index", ["Flat", "IVF4,Flat;nprobe=4"])
def test_neither_blocks_nor_the_index_change_the_graph(index: str) -> None:
    features, weight = make_features(), torch.full((3,), 1 / 3, dtype=torch.float64)
    expected = LearnedGraph(K)(features, weight).to_dense()
    out = LearnedGraph(K, index=index, memory_budget=1)(features, weight).to_dense()
    torch.testing.assert_close(out, expected)


def test_lower_precision_does_not_choose_the_neighbours() -> None:
    x = F.normalize(torch.randn(400, 8, generator=torch.Generator().manual_seed(0)))
    features = {"image": (x, torch.ones(400, dtype=torch.bool))}
    expected = LearnedGraph(K).search(features).pairs("image")
    with torch.autocast("cpu", torch.bfloat16):
        found = LearnedGraph(K).search(features).pairs("image")
    assert found[1].equal(expected[1])


def test_no_vector_is_held_once_a_pair() -> None:
    sizes: list[int] = []

    def record(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    x = torch.randn(200, 16, requires_grad=True)
    features = {"image": (x, torch.ones(200, dtype=torch.bool))}
    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        LearnedGraph(k=20)(features, torch.ones(1))
    assert max(sizes) <= 200 * 20


def test_no_item_has_the_modality() -> None:
    features = {"image": (torch.randn(3, 2), torch.zeros(3, dtype=torch.bool))}
    assert LearnedGraph(k=2)(features, torch.ones(1)).to_dense().tolist() == [[0.0] * 3] * 3


def test_repr_and_errors() -> None:
    assert str(LearnedGraph(3)) == "LearnedGraph(k=3, negative='drop')"
    cases: list[tuple[str, Callable[[], LearnedGraph]]] = [
        (r"'k'.*\(got 0\)", lambda: LearnedGraph(0)),
        (r"'negative'.*\(got 'x'\)", lambda: LearnedGraph(1, "x")),
    ]
    for match, make in cases:
        with pytest.raises(ValueError, match=match):
            make()


@pytest.mark.parametrize("num_items", [4, 6])
def test_normalisation_of_repeated_edges(num_items: int) -> None:
    # Item 3 has no neighbours, but is one; item 1 has an edge twice.
    edge_index = torch.tensor([[0, 3, 0, 1, 3], [1, 1, 1, 0, 2]])
    weight = torch.tensor([0.5, 1.0, 2.0, 4.0, 0.25], dtype=torch.float64)
    matrix = torch.zeros(num_items, num_items, dtype=torch.float64)
    for (source, target), value in zip(edge_index.t().tolist(), weight, strict=True):
        matrix[target, source] += value
    degree = [row.sum().item() or 1.0 for row in matrix]
    found = LearnedGraph(k=1).normalize(edge_index, weight, num_items).to_dense()
    for target in range(num_items):
        for source in range(num_items):
            expected = matrix[target, source] / (degree[target] * degree[source]) ** 0.5
            assert found[target, source].item() == pytest.approx(expected.item(), rel=1e-12)


test_wrong_arguments = wrong_arguments("LearnedGraph")
