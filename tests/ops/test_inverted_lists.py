import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from soil_pyg.ops.inverted_lists import (
    EQUAL_CANDIDATES,
    FIRST_PROBES,
    InvertedLists,
    count_lists,
)


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def clustered(num_points: int, seed: int = 0) -> Tensor:
    centre = normal(25, 16)
    number = torch.arange(num_points) % 25
    x = centre[number] + 0.4 * normal(num_points, 16, seed=seed)
    return torch.nn.functional.normalize(x)


def naive(candidates: Tensor, query: Tensor, k: int) -> tuple[list[list[float]], list[list[int]]]:
    values, ids = [], []
    for row in (query.double() @ candidates.double().t()).float().tolist():
        best = sorted(range(len(row)), key=lambda column: (-row[column], column))[:k]
        ids.append(best)
        values.append([row[column] for column in best])
    return values, ids


@pytest.mark.parametrize("num_lists", [1, FIRST_PROBES, 9])
@pytest.mark.parametrize("k", [1, 7, 60])
def test_all_lists_give_the_exact_answer(num_lists: int, k: int) -> None:
    candidates, query = normal(60, 5), normal(11, 5, seed=1)
    values, ids = InvertedLists(candidates, num_lists).search(query, k, num_probes=num_lists)
    expected, expected_ids = naive(candidates, query, k)
    assert ids.dtype == torch.long
    assert ids.tolist() == expected_ids
    torch.testing.assert_close(values, torch.tensor(expected))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    num_lists=st.integers(1, 8),
    k=st.integers(1, 12),
    num_candidates=st.integers(12, 40),
)
def test_ties_go_to_the_smaller_id(seed: int, num_lists: int, k: int, num_candidates: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    candidates = torch.randint(-1, 2, (num_candidates, 2), generator=generator).float()
    query = torch.randint(-1, 2, (5, 2), generator=generator).float()
    values, ids = InvertedLists(candidates, num_lists).search(query, k, num_probes=num_lists)
    assert (values.tolist(), ids.tolist()) == naive(candidates, query, k)


def test_of_identical_candidates_as_many_are_held_as_are_asked_for() -> None:
    candidates = torch.cat([torch.ones(1000, 3), -torch.eye(3)])
    lists = InvertedLists(candidates, num_lists=8)
    assert lists.member.numel() == EQUAL_CANDIDATES + 3
    for k in (10, EQUAL_CANDIDATES + 5, 10):
        ids = lists.search(candidates[:4], k, num_probes=8)[1]
        assert ids.tolist() == [list(range(k))] * 4


def test_identical_candidates() -> None:
    candidates = torch.ones(100, 3)
    values, ids = InvertedLists(candidates, num_lists=8).search(candidates[:4], 10, num_probes=1)
    assert ids.tolist() == [list(range(10))] * 4
    assert values.tolist() == [[3.0] * 10] * 4


def test_fewer_candidates_than_k_fill_up() -> None:
    candidates = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    lists = InvertedLists(candidates, num_lists=2)
    values, ids = lists.search(candidates[:2], k=5, num_probes=2)
    assert ids.tolist() == [[0, 2, 1, -1, -1], [1, 0, 2, -1, -1]]
    nothing = [-torch.inf, -torch.inf]
    assert values.tolist() == [[1.0, 1.0, 0.0, *nothing], [1.0, 0.0, 0.0, *nothing]]


def test_lists_that_are_not_probed_are_not_found() -> None:
    candidates = torch.eye(6).repeat_interleave(3, dim=0)
    values, ids = InvertedLists(candidates, num_lists=6).search(torch.eye(6), k=4, num_probes=1)
    assert ids.tolist() == [[3 * i, 3 * i + 1, 3 * i + 2, -1] for i in range(6)]
    assert values.tolist() == [[1.0, 1.0, 1.0, -torch.inf]] * 6


@pytest.mark.parametrize("num_probes", [2, 7])
def test_memory_budget_does_not_matter(num_probes: int) -> None:
    x = clustered(400)
    expected = InvertedLists(x, num_lists=12).search(x[:50], 6, num_probes)
    small = InvertedLists(x, num_lists=12, memory_budget=1).search(x[:50], 6, num_probes)
    assert small[1].equal(expected[1])
    torch.testing.assert_close(small[0], expected[0])


def test_deterministic() -> None:
    x = clustered(400)
    first, second = (InvertedLists(x, num_lists=12).search(x, 6, num_probes=3) for _ in range(2))
    assert first[0].equal(second[0])
    assert first[1].equal(second[1])


def test_few_probes_find_most_neighbours_in_clusters() -> None:
    x, query = clustered(2000), clustered(100, seed=1)
    lists = InvertedLists(x, num_lists=32)
    expected = naive(x, query, 10)[1]
    recalls = []
    for num_probes in (1, 4, 8):
        ids = lists.search(query, 10, num_probes)[1].tolist()
        pairs = zip(ids, expected, strict=True)
        recalls.append(sum(len(set(row) & set(best)) for row, best in pairs) / 1000)
    assert recalls == sorted(recalls)
    assert recalls[1] > 0.9
    assert recalls[2] > 0.95


def test_more_lists_and_probes_than_candidates() -> None:
    candidates, query = normal(5, 3), normal(4, 3, seed=1)
    lists = InvertedLists(candidates, num_lists=50)
    assert lists.num_lists == 5
    assert lists.search(query, 3, num_probes=99)[1].tolist() == naive(candidates, query, 3)[1]


def test_no_queries() -> None:
    values, ids = InvertedLists(normal(5, 3), num_lists=2).search(torch.empty(0, 3), 2, 1)
    assert values.size() == ids.size() == (0, 2)


def test_each_candidate_is_in_one_list() -> None:
    lists = InvertedLists(clustered(300), num_lists=10)
    assert lists.pointer[0] == 0
    assert lists.pointer[-1] == 300
    assert lists.member.sort().values.tolist() == list(range(300))
    for begin, end in zip(lists.pointer, lists.pointer[1:], strict=False):
        assert lists.member[begin:end].tolist() == sorted(lists.member[begin:end].tolist())


def test_too_few_lists() -> None:
    with pytest.raises(ValueError, match=r"'num_lists' must be at least 1 \(got 0\)"):
        InvertedLists(normal(5, 3), num_lists=0)


def test_repr() -> None:
    assert str(InvertedLists(normal(5, 3), num_lists=2)) == "InvertedLists(5, num_lists=2)"


def test_count_lists() -> None:
    assert count_lists("Lists8") == 8
    assert count_lists("Lists4096;nprobe=16") == 4096


@pytest.mark.parametrize(
    "index", ["Lists", "Listsx", "Lists0", "Lists8;", "Lists8;nprobe=0", "Lists8;efSearch=2"]
)
def test_no_such_lists(index: str) -> None:
    match = (
        "'index' must name a number of lists and at most 'nprobe', as in 'Lists256' or "
        rf"'Lists256;nprobe=8' \(got '{index}'\)"
    )
    with pytest.raises(ValueError, match=match):
        count_lists(index)
