import pytest
import torch

from soil_bench.speed import propagation_cases
from soil_bench.speed.propagation_cases import CASES, QUICK_CASES, draw, naive, tiny


def test_naive_sums() -> None:
    edge_index = torch.tensor([[0, 1, 1], [0, 0, 2]])
    x = torch.tensor([[1.0, 10.0], [2.0, 20.0]])
    out = naive(edge_index, torch.tensor([1.0, 0.5, 3.0]), x, size=3)
    assert out.tolist() == [[2.0, 20.0], [0.0, 0.0], [6.0, 60.0]]


def test_naive_sums_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    case = draw(QUICK_CASES[1], seed=0)
    (direction, _) = case.directions
    arguments = (direction.edge_index, direction.edge_weight, direction.x, direction.size[1])
    whole = naive(*arguments)
    monkeypatch.setattr(propagation_cases, "NAIVE_CHANNELS", 3)
    assert torch.equal(naive(*arguments), whole)


def test_both_directions_are_the_matrix_and_its_transposed_one() -> None:
    case = draw(QUICK_CASES[1], seed=3)
    there, back = case.directions
    dense = []
    for direction in (there, back):
        source, target = direction.edge_index
        assert (target.diff() >= 0).all()
        matrix = torch.zeros(direction.size)
        matrix[source, target] = direction.edge_weight
        assert torch.count_nonzero(matrix) == 200
        assert direction.x.size() == (direction.size[0], 8)
        assert direction.grad.size() == (direction.size[1], 8)
        dense.append(matrix)
    assert torch.equal(dense[0], dense[1].t())
    assert (there.size, back.size) == ((30, 50), (50, 30))


def test_cases_depend_on_the_seed_alone() -> None:
    first, same, other = (draw(QUICK_CASES[2], seed).tensors for seed in (0, 0, 1))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["edge_index"], other["edge_index"])
    assert len(draw(QUICK_CASES[2], 0).directions) == 1


@pytest.mark.parametrize("task", ["forward", "forward+backward"])
def test_recall(task: str) -> None:
    case = draw(QUICK_CASES[2], seed=0)
    (direction,) = case.directions
    matrix = torch.zeros(direction.size).double()
    matrix[direction.edge_index[0], direction.edge_index[1]] = direction.edge_weight.double()
    right = matrix.t() @ direction.x.double()
    if task != "forward":
        right = matrix @ direction.grad.double()
    right = right.float()
    assert case.recall(task, [right]) == 1.0
    assert case.recall(task, [right.numpy()]) == 1.0
    assert case.recall(task, [right[1:]]) == 0.0
    wrong = right.clone()
    wrong[0, 0] += 0.01
    wrong[1, 0] = torch.nan
    assert case.recall(task, [wrong]) == pytest.approx(1 - 2 / right.numel())


def test_sizes_of_the_default_run() -> None:
    sizes = {(case.name, case.num_edges) for case in CASES}
    assert ("user-item, Baby, 64 channels", 150_000) in sizes
    assert ("item-item, Baby, 256 channels", 1_600_000) in sizes
    assert len({case.name for case in CASES}) == len(CASES)


def test_tiny_keeps_the_kind() -> None:
    assert {case.both_directions for case in CASES} == {True, False}
    assert all(tiny(vars(case)).both_directions == case.both_directions for case in CASES)
