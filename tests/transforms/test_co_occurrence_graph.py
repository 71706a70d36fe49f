from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.transforms import CoOccurrenceGraph

EDGE_TYPE = ("item", "co_occurrence", "item")


def oracle(data: HeteroData, k: int, shrink: float) -> dict[tuple[int, int], float]:
    users: dict[int, set[int]] = {i: set() for i in range(data["item"].num_nodes)}
    for user, item in data["user", "interacts", "item"].edge_index.t().tolist():
        users[item].add(user)
    edges = {}
    for i in users:
        score = {
            j: len(users[i] & users[j]) / ((len(users[i]) * len(users[j])) ** 0.5 + shrink)
            for j in users
            if j != i and users[i] & users[j]
        }
        for j in sorted(score, key=lambda j: (-round(score[j], 9), j))[:k]:
            edges[j, i] = score[j]
    return edges


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 5), shrink=st.sampled_from([0.0, 10.0]))
def test_co_occurrence_graph_is_the_definition(
    random_data: Callable, seed: int, k: int, shrink: float
) -> None:
    data = random_data(seed)
    store = CoOccurrenceGraph(k, shrink)(data)[EDGE_TYPE]
    expected = oracle(data, k, shrink)
    edges = list(map(tuple, store.edge_index.t().tolist()))
    assert edges == sorted(expected, key=lambda edge: (edge[1], edge[0]))
    assert store.edge_weight.tolist() == pytest.approx([expected[edge] for edge in edges])


@pytest.mark.parametrize("nodes", ["source", "target"])
@pytest.mark.parametrize("self_loops", [True, False])
@pytest.mark.parametrize(("shared_power", "node_power"), [(0.0, 0.0), (1.0, 0.25), (0.5, 1.0)])
def test_weighted_counts_of_either_side(
    random_data: Callable, nodes: str, self_loops: bool, shared_power: float, node_power: float
) -> None:
    data = random_data(1)
    kind, other = ("user", "item") if nodes == "source" else ("item", "user")
    num_nodes = data[kind].num_nodes
    links = torch.zeros(num_nodes, data[other].num_nodes)
    user, item = data["user", "interacts", "item"].edge_index
    links[(user, item) if nodes == "source" else (item, user)] = 1
    degree, shared_degree = (links.sum(dim=dim).clamp(min=1) for dim in (1, 0))
    shared = (links * shared_degree**-shared_power) @ links.t()
    shared /= (degree.unsqueeze(1) * degree) ** node_power
    options = {"shared_power": shared_power, "node_power": node_power, "self_loops": self_loops}
    store = CoOccurrenceGraph(4, nodes=nodes, **options)(data)[kind, "co_occurrence", kind]
    expected = {}
    for node, row in enumerate(shared.tolist()):
        others = [j for j in range(num_nodes) if row[j] > 0 and (self_loops or j != node)]
        best = sorted(others, key=lambda j: (-round(row[j], 5), j))[:4]
        expected |= {(j, node): row[j] for j in sorted(best)}
    assert list(map(tuple, store.edge_index.t().tolist())) == list(expected)
    assert store.edge_weight.tolist() == pytest.approx(list(expected.values()), rel=1e-5)


def test_other_edges(random_data: Callable) -> None:
    data = random_data(2)
    expected = CoOccurrenceGraph(3)(data)[EDGE_TYPE]
    viewed = ("user", "viewed", "item")
    data[viewed].edge_index = data["user", "interacts", "item"].edge_index
    data["user", "interacts", "item"].edge_index = torch.tensor([[0], [0]])
    found = CoOccurrenceGraph(3, edge_type=viewed)(data)[EDGE_TYPE]
    assert found.edge_index.equal(expected.edge_index)
    assert found.edge_weight.equal(expected.edge_weight)


@pytest.mark.parametrize("num_items", [40, 4000])
def test_block_size_does_not_matter(random_data: Callable, num_items: int) -> None:
    """Few nodes are counted in a table, many by a sort."""
    data = random_data(0, num_users=30, num_items=num_items)
    expected = CoOccurrenceGraph(k=3)(data)[EDGE_TYPE]
    out = CoOccurrenceGraph(k=3, memory_budget=1)(data)[EDGE_TYPE]
    assert torch.equal(out.edge_index, expected.edge_index)
    assert torch.equal(out.edge_weight, expected.edge_weight)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"'k'.*\(got 0\)"):
        CoOccurrenceGraph(k=0)
    with pytest.raises(ValueError, match=r"'shrink'.*\(got -1.0\)"):
        CoOccurrenceGraph(shrink=-1.0)
    with pytest.raises(ValueError, match=r"'nodes'.*\(got 'user'\)"):
        CoOccurrenceGraph(nodes="user")
    with pytest.raises(ValueError, match=r"'node_power'.*\(got -1\)"):
        CoOccurrenceGraph(node_power=-1)


def test_repr() -> None:
    assert str(CoOccurrenceGraph(k=3)) == "CoOccurrenceGraph(k=3, shrink=0.0)"


test_wrong_arguments = wrong_arguments("CoOccurrenceGraph")
