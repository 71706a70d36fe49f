import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.transforms import UserGraph
from soil_pyg.transforms.user_graph import MAX_CANDIDATES, PADDED, USER_USER, pad_by_copies


def make_data() -> HeteroData:
    """User 0 shares items with users 1 and 2, user 3 with nobody, and user 4 has no items."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 5, 5
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 2), (3, 3)]
    data["user", "interacts", "item"].edge_index = torch.tensor(pairs).t()
    return data


def neighbours(data: HeteroData, k: int) -> dict[int, dict[int, int]]:
    """The numbers of shared items of the k most similar users of each user."""
    items: dict[int, set[int]] = {u: set() for u in range(data["user"].num_nodes)}
    for user, item in data["user", "interacts", "item"].edge_index.t().tolist():
        items[user].add(item)
    out = {}
    for u in items:
        count = {v: len(items[u] & items[v]) for v in items if v != u and items[u] & items[v]}
        best = sorted(count, key=lambda v: (-count[v], v))[:k]
        out[u] = {v: count[v] for v in best}
    return out


def softmax(count: dict[int, int], copies: dict[int, int] | None = None) -> dict[int, float]:
    value = {v: (copies or {}).get(v, 1) * math.exp(c) for v, c in count.items()}
    return {v: x / sum(value.values()) for v, x in value.items()}


def dense(rows: dict[int, dict[int, float]]) -> np.ndarray:
    out = np.zeros((len(rows), len(rows)))
    for u, row in rows.items():
        for v, weight in row.items():
            out[u, v] = weight
    return out


@pytest.mark.parametrize("k", [1, 3, 50])
@pytest.mark.parametrize("memory_budget", [1, 2**30])
def test_is_the_definition(random_data: Callable, k: int, memory_budget: int) -> None:
    data = random_data(3)
    graph = UserGraph(k, memory_budget)(data)[USER_USER]
    expected = {u: softmax(count) for u, count in neighbours(data, k).items()}
    np.testing.assert_allclose(graph.adjacency.to_dense(), dense(expected), rtol=1e-6)


def test_users_without_shared_items_have_no_neighbours() -> None:
    dense = UserGraph()(make_data())[USER_USER].adjacency.to_dense()
    share = 1 / (1 + math.e)
    torch.testing.assert_close(dense[0], torch.tensor([0, 1 - share, share, 0, 0]))
    assert dense[3:].count_nonzero() == dense[:, 3:].count_nonzero() == 0


def test_many_shared_items_do_not_overflow() -> None:
    data = make_data()
    data["item"].num_nodes = 1000
    items = torch.arange(1000).repeat(3)
    users = torch.arange(3).repeat_interleave(1000)
    data["user", "interacts", "item"].edge_index = torch.stack([users, items])[:, :2500]
    weight = UserGraph()(data)[USER_USER].adjacency.to_dense()[:3, :3]
    expected = torch.tensor([[0.0, 1, 0], [1, 0, 0], [0.5, 0.5, 0]])
    torch.testing.assert_close(weight, expected)


def test_at_most_200_candidates() -> None:
    num_users = MAX_CANDIDATES + 5
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = num_users, 1
    users = torch.arange(num_users)
    data["user", "interacts", "item"].edge_index = torch.stack([users, torch.zeros_like(users)])
    graph = UserGraph(user_k=1000)(data)[USER_USER].adjacency
    assert graph.rowptr.diff().tolist() == [MAX_CANDIDATES] * num_users
    assert graph.col[:MAX_CANDIDATES].tolist() == list(range(1, MAX_CANDIDATES + 1))


def test_copies_of_similar_users() -> None:
    """With two neighbours and two copies, each of the three mixtures is equally likely."""
    data = UserGraph(user_k=4)(make_data())
    before = data[USER_USER].adjacency.to_dense()
    mixtures = [softmax({1: 2, 2: 1}, {1: n, 2: 4 - n})[1] for n in (1, 2, 3)]
    torch.manual_seed(0)
    found = np.zeros(3)
    num_draws = 900
    for _ in range(num_draws):
        pad_by_copies(data)
        drawn = data[PADDED].adjacency.to_dense()
        found[np.isclose(mixtures, float(drawn[0, 1]))] += 1
        # Copies of a single neighbour change nothing.
        assert drawn[1:].equal(before[1:])
        assert float(drawn[0].sum()) == pytest.approx(1)
    assert found.sum() == num_draws
    np.testing.assert_allclose(found / num_draws, 1 / 3, atol=0.06)
    assert data[USER_USER].adjacency.to_dense().equal(before)


def test_the_seed_tells_the_copies(random_data: Callable) -> None:
    data, draws = UserGraph(user_k=25)(random_data(0)), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        pad_by_copies(data)
        draws.append(data[PADDED].adjacency.weight)
    assert draws[0].equal(draws[1])
    assert not draws[0].equal(draws[2])


def test_users_with_enough_neighbours_get_no_copies(random_data: Callable) -> None:
    data = UserGraph(user_k=1)(random_data(0))
    pad_by_copies(data)
    assert data[PADDED].adjacency.weight.equal(data[USER_USER].adjacency.weight)


def test_repr_and_errors() -> None:
    assert str(UserGraph(3)) == "UserGraph(user_k=3)"
    with pytest.raises(ValueError, match=r"'user_k'.*\(got 0\)"):
        UserGraph(user_k=0)
    with pytest.raises(ValueError, match=r"'memory_budget'.*\(got 0\)"):
        UserGraph(memory_budget=0)


test_wrong_arguments = wrong_arguments("UserGraph")
