import logging
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.transforms import SecondOrderGraph, second_order_graph

SECOND_ORDER = ("user", "second_order", "item")


def attractiveness(similarities: dict[str, np.ndarray]) -> np.ndarray:
    """The product over the modalities that both items have, NaN without one."""
    stacked = np.stack(list(similarities.values()))
    value = np.where(np.isnan(stacked), 1.0, stacked).prod(axis=0)
    return np.where(np.isnan(stacked).all(axis=0), np.nan, value).round(9)


def oracle(
    s_a: np.ndarray,
    edge_index: torch.Tensor,
    k_a: int,
    aggr: str,
    exclude_interacted: bool,
    negative: str,
) -> dict[tuple[int, int], float]:
    history: dict[int, list[int]] = {}
    for user, item in edge_index.t().tolist():
        history.setdefault(user, []).append(item)
    edges = {}
    for user, items in history.items():
        pool = [
            (s_a[i, j], j)
            for i in items
            for j in range(len(s_a))
            if not np.isnan(s_a[i, j])
            and (negative == "keep" or s_a[i, j] > 0)
            and not (exclude_interacted and j in items)
        ]
        if aggr == "max":
            best: dict[int, float] = {}
            for value, j in pool:
                best[j] = max(value, best.get(j, -np.inf))
            pool = [(value, j) for j, value in best.items()]
        take = k_a if exclude_interacted else min(k_a + len(items), len(s_a))
        for value, j in sorted(pool, key=lambda entry: (-entry[0], entry[1]))[:take]:
            edges[user, j] = edges.get((user, j), 0.0) + value
    return edges


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    k_a=st.integers(1, 8),
    aggr=st.sampled_from(["max", "sum"]),
    exclude_interacted=st.booleans(),
    negative=st.sampled_from(["drop", "keep"]),
    num_modalities=st.integers(1, 3),
    missing=st.sampled_from([0.0, 0.3]),
    equal=st.sampled_from([[5], [0, 1, 4, 5, 7, 8, 9, 11]]),
)
def test_second_order_graph_is_the_definition(
    random_data: Callable,
    cosines: Callable,
    seed: int,
    k_a: int,
    aggr: str,
    exclude_interacted: bool,
    negative: str,
    num_modalities: int,
    missing: float,
    equal: list[int],
) -> None:
    sizes = {"image": 5, "text": 3, "audio": 4}
    sizes = {name: sizes[name] for name in list(sizes)[:num_modalities]}
    data = random_data(seed, sizes=sizes, missing=missing)
    # Nothing but a row of its own holds every duplicate: identical in all modalities.
    for name in sizes:
        data["item"][f"x_{name}"][equal] = data["item"][f"x_{name}"][2].clone()
    out = SecondOrderGraph(k_a, aggr, exclude_interacted, negative=negative)(data)
    s_a = attractiveness(cosines(data))
    edge_index = data["user", "interacts", "item"].edge_index
    expected = oracle(s_a, edge_index, k_a, aggr, exclude_interacted, negative)
    store = out[SECOND_ORDER]
    assert list(map(tuple, store.edge_index.t().tolist())) == sorted(expected)
    weights = [expected[tuple(edge)] for edge in store.edge_index.t().tolist()]
    assert store.edge_weight.tolist() == pytest.approx(weights, abs=1e-5)


@pytest.mark.parametrize("memory_budget", [1, 5000])
@pytest.mark.parametrize("aggr", ["max", "sum"])
def test_block_size_does_not_matter(random_data: Callable, memory_budget: int, aggr: str) -> None:
    data = random_data(2, num_users=40, num_items=60, duplicates=30)
    options = {"k_a": 3, "aggr": aggr, "exclude_interacted": aggr == "max"}
    expected = SecondOrderGraph(**options)(data)[SECOND_ORDER]
    out = SecondOrderGraph(**options, memory_budget=memory_budget)(data)[SECOND_ORDER]
    assert torch.equal(out.edge_index, expected.edge_index)
    assert torch.allclose(out.edge_weight, expected.edge_weight)


def test_an_index_that_finds_all_candidates_is_exact(random_data: Callable) -> None:
    pytest.importorskip("faiss")
    data = random_data(4, num_users=20, num_items=40)
    expected = SecondOrderGraph(k_a=2)(data)[SECOND_ORDER]
    out = SecondOrderGraph(k_a=2, index="HNSW32")(data)[SECOND_ORDER]
    found = set(map(tuple, out.edge_index.t().tolist()))
    assert len(found & set(map(tuple, expected.edge_index.t().tolist()))) >= 0.95 * len(found)


@pytest.mark.parametrize("index", ["IVF4,Flat", "IVF32,Flat"])
@pytest.mark.parametrize("aggr", ["max", "sum"])
def test_inverted_lists_find_most_second_order_items(
    clustered_data: HeteroData, caplog: pytest.LogCaptureFixture, index: str, aggr: str
) -> None:
    options = {"k_a": 3, "aggr": aggr, "exclude_interacted": aggr == "max"}
    exact = SecondOrderGraph(**options)(clustered_data)[SECOND_ORDER]
    assert exact.search["index"] == "Flat"
    with caplog.at_level(logging.INFO, "soil_pyg"):
        found = SecondOrderGraph(**options, index=index)(clustered_data)[SECOND_ORDER]
    keys = [store.edge_index[0] * 500 + store.edge_index[1] for store in (exact, found)]
    assert keys[1].equal(keys[1].unique())
    recall = float(torch.isin(keys[0], keys[1]).double().mean())
    assert recall >= 0.9
    # All 80 users are the sample.
    assert found.search["recall"] == pytest.approx(recall)
    assert found.search["index"] == index
    assert found.search["parameters"].startswith("nprobe=")
    number = found.search["neighbours"]
    assert f"{number} neighbours: {recall:.3f} of second-order items found" in caplog.messages
    shared = torch.isin(keys[1], keys[0])
    if aggr == "max":
        place = torch.searchsorted(keys[0], keys[1][shared])
        # A maximum over fewer candidates may be smaller, but rarely is.
        loss = exact.edge_weight[place] - found.edge_weight[shared]
        assert loss.min() >= -1e-6
        assert (loss < 1e-6).double().mean() > 0.95


def test_recall_is_that_of_a_sample(
    clustered_data: HeteroData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_order_graph, "SAMPLE", 8)
    exact = SecondOrderGraph()(clustered_data)[SECOND_ORDER].edge_index
    # So few candidates that some are missed.
    monkeypatch.setattr(second_order_graph, "NEIGHBOURS", (2,))
    found = SecondOrderGraph(index="IVF4,Flat")(clustered_data)[SECOND_ORDER]
    sampled = exact[:, exact[0] % 10 == 0]
    keys = [edges[0] * 500 + edges[1] for edges in (sampled, found.edge_index)]
    recall = float(torch.isin(keys[0], keys[1]).double().mean())
    assert 0 < recall < 1
    assert found.search["recall"] == pytest.approx(recall)


def test_neighbours_are_added_until_a_sample_finds_the_recall() -> None:
    # The items near in both modalities lie among many that are near in one.
    torch.manual_seed(0)
    data = HeteroData()
    data["user"].num_nodes = 60
    for modality in "image", "text":
        data["item"][f"x_{modality}"] = torch.rand(600, 3)
    data["user", "interacts", "item"].edge_index = torch.stack(
        [torch.arange(60).repeat_interleave(4), torch.randint(600, (240,))]
    )
    exact = SecondOrderGraph()(data)[SECOND_ORDER].edge_index
    numbers = []
    for recall in 0.2, 0.9, 1.0:
        found = SecondOrderGraph(index="IVF4,Flat", recall=recall)(data)[SECOND_ORDER]
        numbers.append(found.search["neighbours"])
        keys = [edges[0] * 600 + edges[1] for edges in (exact, found.edge_index)]
        measured = float(torch.isin(keys[0], keys[1]).float().mean())
        assert found.search["recall"] == pytest.approx(measured)
        assert measured >= recall
    assert numbers == sorted(numbers)
    assert numbers[-1] > numbers[0]


def test_100_identical_items() -> None:
    data = HeteroData()
    data["user"].num_nodes = 1
    data["item"].x_image = torch.randn(1, 37).expand(100, -1).clone()
    data["user", "interacts", "item"].edge_index = torch.tensor([[0, 0], [1, 50]])
    out = SecondOrderGraph(k_a=3)(data)[SECOND_ORDER]
    assert out.edge_index.tolist() == [[0, 0, 0], [0, 2, 3]]
    out = SecondOrderGraph(k_a=3, aggr="sum", exclude_interacted=False)(data)[SECOND_ORDER]
    # The five largest of 200 equal entries: items 0 and 1 of both rows, and item 2 of one.
    assert out.edge_index.tolist() == [[0, 0, 0], [0, 1, 2]]
    assert out.edge_weight.tolist() == pytest.approx([2.0, 2.0, 1.0])


def test_fewer_are_taken_where_fewer_are_positive() -> None:
    data = HeteroData()
    data["user"].num_nodes = 1
    data["item"].x_image = torch.tensor([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0], [0.0, 0.0]])
    data["user", "interacts", "item"].edge_index = torch.tensor([[0], [0]])
    assert SecondOrderGraph(k_a=3)(data)[SECOND_ORDER].edge_index.tolist() == [[0], [1]]
    kept = SecondOrderGraph(k_a=3, negative="keep")(data)[SECOND_ORDER]
    assert kept.edge_index.tolist() == [[0, 0], [1, 2]]


def test_a_user_whose_items_lack_all_modalities_has_no_edge() -> None:
    data = HeteroData()
    data["user"].num_nodes = 2
    data["item"].x_image = torch.tensor([[0.0], [1.0], [2.0]])
    data["user", "interacts", "item"].edge_index = torch.tensor([[0, 1], [0, 1]])
    assert SecondOrderGraph(k_a=2)(data)[SECOND_ORDER].edge_index.tolist() == [[1], [2]]


@pytest.mark.parametrize("index", ["Flat", "IVF2,Flat"])
def test_no_second_order_items(random_data: Callable, index: str) -> None:
    data = random_data(0, sizes={"image": 3}, missing=1.0)
    out = SecondOrderGraph(index=index)(data)[SECOND_ORDER]
    assert out.edge_index.size() == (2, 0)
    assert (out.search["index"], out.search["recall"]) == (index, 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k_a": 0}, r"'k_a'.*\(got 0\)"),
        ({"aggr": "mean"}, r"'aggr'.*\(got 'mean'\)"),
        ({"negative": "no"}, r"'negative'.*\(got 'no'\)"),
    ],
)
def test_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SecondOrderGraph(**options)


def test_unknown_number_of_users(random_data: Callable) -> None:
    data = random_data(0)
    del data["user"].num_nodes
    with pytest.raises(ValueError, match=r"set data\['user'\]\.num_nodes"):
        SecondOrderGraph()(data)


def test_repr() -> None:
    assert str(SecondOrderGraph(k_a=3, aggr="sum")) == (
        "SecondOrderGraph(k_a=3, aggr='sum', exclude_interacted=True, negative='drop')"
    )


test_wrong_arguments = wrong_arguments("SecondOrderGraph")
