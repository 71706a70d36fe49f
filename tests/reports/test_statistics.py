from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models import SOIL
from soil_pyg.reports.statistics import data_statistics, degree_tail, graph_statistics
from soil_pyg.typing import INTERACTS, ITEM

RandomData = Callable[..., HeteroData]


def pairs_of(data: HeteroData, name: str) -> list[tuple[int, int]]:
    return [(user, item) for user, item in data[INTERACTS][name].t().tolist()]


def test_data(featured_data: RandomData) -> None:
    data = featured_data(3)
    numbers = data_statistics(data)
    train = pairs_of(data, "edge_index")
    of_user, of_item = Counter(u for u, _ in train), Counter(i for _, i in train)
    assert (numbers.num_users, numbers.num_items) == (30, 25)
    assert numbers.num_pairs == {"train": len(train), "val": 30, "test": 60}
    assert numbers.user_degree.tolist() == [of_user[u] for u in range(30)]
    assert numbers.item_degree.tolist() == [of_item[i] for i in range(25)]
    assert numbers.density == len(train) / (30 * 25)
    assert numbers.item_coverage == pytest.approx(sum(of_item[i] > 0 for i in range(25)) / 25)
    top = sorted((of_item[i] for i in range(25)), reverse=True)[:3]
    assert numbers.top_share == sum(top) / len(train)
    test = pairs_of(data, "test_edge_label_index")
    covered = sum(of_item[i] > 0 for _, i in test) / len(test)
    assert numbers.covered["test"] == pytest.approx(covered)


def test_modalities(featured_data: RandomData) -> None:
    data = featured_data(3)
    names = ["image", "text", "audio"]
    counts: Counter[tuple[str, ...]] = Counter()
    for item in range(25):
        rows = {name: data[ITEM][f"x_{name}"][item] for name in names}
        counts[tuple(name for name in names if bool((rows[name] != 0).any()))] += 1
    numbers = data_statistics(data)
    assert numbers.missing == {"image": 2, "text": 1, "audio": 1}
    assert {tuple(there): count for there, count in numbers.patterns} == counts
    assert [count for _, count in numbers.patterns] == sorted(counts.values(), reverse=True)


def test_data_without_features_and_held_out_pairs(random_data: RandomData) -> None:
    data = random_data()
    del data[INTERACTS].val_edge_label_index, data[INTERACTS].test_edge_label_index
    numbers = data_statistics(data)
    assert (numbers.missing, numbers.patterns, numbers.covered) == ({}, [], {})
    assert list(numbers.num_pairs) == ["train"]


def test_degree_tail() -> None:
    degree = torch.tensor([4, 0, 1, 4, 2, 2, 2, 9])
    expected = {d: sum(int(x) >= d for x in degree) / 8 for d in (1, 2, 4, 9)}
    assert dict(zip(*degree_tail(degree), strict=True)) == expected


def test_graphs(featured_data: RandomData) -> None:
    data = SOIL.graph_transform(k=3, k_i=2, k_a=2)(featured_data(2))
    found = {graph.edge_type: graph for graph in graph_statistics(data)}
    assert set(found) == set(data.edge_types)
    for edge_type, graph in found.items():
        store = data[edge_type]
        if "edge_index" in store:
            edges = store.edge_index.t().tolist()
        else:
            edges = list(
                zip(store.adjacency.col.tolist(), store.adjacency.row().tolist(), strict=True)
            )
        sizes = [data[edge_type[0]].num_nodes, data[edge_type[2]].num_nodes]
        assert graph.num_edges == len(edges)
        assert graph.mean_degree == (len(edges) / sizes[0], len(edges) / sizes[1])
        isolated = [len(set(range(n)) - {e[s] for e in edges}) for s, n in enumerate(sizes)]
        assert list(graph.num_isolated) == isolated
