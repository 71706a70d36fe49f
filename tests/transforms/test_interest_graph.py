from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.transforms import InterestGraph


def oracle(
    similarities: dict[str, np.ndarray], edge_index: torch.Tensor, k_i: int
) -> Counter[tuple[int, int]]:
    """How many users have item i and j among their items of interest, for each edge (j, i)."""
    users: Counter[tuple[int, int]] = Counter()
    history: dict[int, list[int]] = {}
    for user, item in edge_index.t().tolist():
        history.setdefault(user, []).append(item)
    for items in history.values():
        interest: set[int] = set()
        for similarity in similarities.values():
            having = [i for i in items if not np.isnan(similarity[i, i])]
            candidates = [j for j in range(len(similarity)) if not np.isnan(similarity[j, j])]
            if having:
                total = {j: sum(similarity[i, j] for i in having).round(8) for j in candidates}
                interest.update(sorted(candidates, key=lambda j: (-total[j], j))[:k_i])
        users.update({(j, i) for i in items for j in interest})
    return users


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    k_i=st.integers(1, 5),
    negative=st.sampled_from(["drop", "keep"]),
    weight_by_users=st.booleans(),
    duplicates=st.sampled_from([2, 15]),
)
def test_interest_graph_is_the_definition(
    random_data: Callable,
    cosines: Callable,
    seed: int,
    k_i: int,
    negative: str,
    weight_by_users: bool,
    duplicates: int,
) -> None:
    data = random_data(seed, duplicates=duplicates)
    out = InterestGraph(k_i=k_i, negative=negative, weight_by_users=weight_by_users)(data)
    similarities = cosines(data)
    users = oracle(similarities, data["user", "interacts", "item"].edge_index, k_i)
    for modality, similarity in similarities.items():
        expected = {}
        for (j, i), count in users.items():
            value = similarity[i, j]
            if not np.isnan(value) and (negative == "keep" or value > 0):
                expected[j, i] = value * (count if weight_by_users else 1)
        store = out["item", f"{modality}_interest", "item"]
        assert list(map(tuple, store.edge_index.t().tolist())) == sorted(
            expected, key=lambda edge: (edge[1], edge[0])
        )
        weights = [expected[tuple(edge)] for edge in store.edge_index.t().tolist()]
        assert store.edge_weight.tolist() == pytest.approx(weights, abs=1e-5)


@pytest.mark.parametrize("memory_budget", [1, 3000, 2**30])
def test_block_size_does_not_matter(random_data: Callable, memory_budget: int) -> None:
    data = random_data(3, num_users=30, num_items=50, duplicates=25)
    expected = InterestGraph(k_i=4, weight_by_users=True)(data)
    out = InterestGraph(k_i=4, weight_by_users=True, memory_budget=memory_budget)(data)
    for edge_type in expected.edge_types[1:]:
        assert torch.equal(out[edge_type].edge_index, expected[edge_type].edge_index)
        assert torch.allclose(out[edge_type].edge_weight, expected[edge_type].edge_weight)


@pytest.mark.parametrize("weight_by_users", [True, False])
def test_held_as_adjacency(random_data: Callable, weight_by_users: bool) -> None:
    data = random_data(3, num_users=30, num_items=50)
    edges = InterestGraph(k_i=4, weight_by_users=weight_by_users)(data)
    held = InterestGraph(k_i=4, weight_by_users=weight_by_users, to_adjacency=True)(data)
    for edge_type in edges.edge_types[1:]:
        assert held[edge_type].edge_index.equal(edges[edge_type].edge_index)
        assert held[edge_type].edge_weight.equal(edges[edge_type].edge_weight)
        expected = torch.zeros(50, 50)
        source, target = edges[edge_type].edge_index
        expected[target, source] = edges[edge_type].edge_weight
        assert held[edge_type].adjacency.to_dense().equal(expected)


@pytest.mark.parametrize("index", ["IVF4,Flat", "IVF32,Flat"])
@pytest.mark.parametrize("weight_by_users", [True, False])
def test_inverted_lists_find_the_items_of_interest(
    clustered_data: HeteroData, index: str, weight_by_users: bool
) -> None:
    exact = InterestGraph(k_i=5, weight_by_users=weight_by_users)(clustered_data)
    found = InterestGraph(k_i=5, weight_by_users=weight_by_users, index=index)(clustered_data)
    for modality in ("image", "text"):
        edge_type = ("item", f"{modality}_interest", "item")
        assert exact[edge_type].search["index"] == "Flat"
        search = found[edge_type].search
        assert (search["engine"], search["index"]) == ("faiss", index)
        assert 0.95 <= search["recall"] <= 1.0
        keys = []
        for data in (exact, found):
            neighbour, item = data[edge_type].edge_index
            keys.append(item * 500 + neighbour)
        assert torch.isin(keys[0], keys[1]).double().mean() >= 0.9
        shared = torch.isin(keys[1], keys[0])
        assert shared.double().mean() >= 0.9
        if not weight_by_users:
            place = torch.searchsorted(keys[0], keys[1][shared])
            expected = exact[edge_type].edge_weight[place]
            torch.testing.assert_close(found[edge_type].edge_weight[shared], expected)


@pytest.mark.parametrize("index", ["Flat", "IVF2,Flat"])
def test_a_modality_of_items_that_nobody_chose(index: str) -> None:
    data = HeteroData()
    data["user"].num_nodes = 1
    data["item"].x_image = torch.tensor([[1.0, 0.0], [4.0, 3.0], [0.0, 0.0]])
    data["item"].x_text = torch.tensor([[0.0], [1.0], [1.0]])
    data["user", "interacts", "item"].edge_index = torch.tensor([[0], [0]])
    out = InterestGraph(k_i=2, index=index)(data)
    assert out["item", "image_interest", "item"].edge_index.tolist() == [[0, 1], [0, 0]]
    assert out["item", "text_interest", "item"].edge_index.size() == (2, 0)


@pytest.mark.parametrize("index", ["Flat", "IVF2,Flat"])
def test_no_items_of_interest(random_data: Callable, index: str) -> None:
    data = random_data(0, sizes={"image": 3}, missing=1.0)
    out = InterestGraph(index=index)(data)
    assert out["item", "image_interest", "item"].edge_index.size() == (2, 0)


def test_names_are_arguments() -> None:
    data = HeteroData()
    data["viewer"].num_nodes = 1
    data["film"].x_sound = torch.eye(2)
    data["viewer", "saw", "film"].edge_index = torch.tensor([[0], [1]])
    out = InterestGraph(k_i=1, edge_type=("viewer", "saw", "film"))(data)
    assert out["film", "sound_interest", "film"].edge_index.tolist() == [[1], [1]]


def test_errors(random_data: Callable) -> None:
    with pytest.raises(ValueError, match=r"'k_i'.*\(got 0\)"):
        InterestGraph(k_i=0)
    with pytest.raises(ValueError, match=r"'negative'.*\(got"):
        InterestGraph(negative="none")
    with pytest.raises(ValueError, match=r"\('user', 'saw', 'item'\)"):
        InterestGraph(edge_type=("user", "saw", "item"))(random_data(0))


def test_repr() -> None:
    expected = "InterestGraph(k_i=3, weight_by_users=True, negative='keep')"
    assert str(InterestGraph(k_i=3, weight_by_users=True, negative="keep")) == expected


test_wrong_arguments = wrong_arguments("InterestGraph")
