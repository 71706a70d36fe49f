from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.transforms import SimilarityGraph


def oracle(similarity: np.ndarray, k: int, negative: str) -> dict[tuple[int, int], float]:
    edges = {}
    for i, row in enumerate(similarity):
        candidates = [j for j in range(len(row)) if not np.isnan(row[j])]
        for j in sorted(candidates, key=lambda j: (-row[j], j))[:k]:
            if negative == "keep" or row[j] > 0:
                edges[j, i] = row[j]
    return edges


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    k=st.integers(1, 14),
    negative=st.sampled_from(["drop", "keep"]),
    duplicates=st.sampled_from([2, 15]),
)
def test_similarity_graph_is_the_definition(
    random_data: Callable, cosines: Callable, seed: int, k: int, negative: str, duplicates: int
) -> None:
    data = random_data(seed, duplicates=duplicates)
    out = SimilarityGraph(k=k, negative=negative)(data)
    for modality, similarity in cosines(data).items():
        store = out["item", f"{modality}_similar", "item"]
        expected = oracle(similarity, k, negative)
        assert list(map(tuple, store.edge_index.t().tolist())) == sorted(
            expected, key=lambda edge: (edge[1], edge[0])
        )
        weights = [expected[tuple(edge)] for edge in store.edge_index.t().tolist()]
        assert store.edge_weight.tolist() == pytest.approx(weights, abs=1e-6)
    assert "image_similar" not in [edge_type[1] for edge_type in data.edge_types]


@pytest.mark.parametrize("memory_budget", [1, 2000, 2**30])
def test_block_size_does_not_matter(random_data: Callable, memory_budget: int) -> None:
    data = random_data(5, num_items=60, duplicates=30)
    expected = SimilarityGraph(k=7)(data)
    out = SimilarityGraph(k=7, memory_budget=memory_budget)(data)
    for edge_type in expected.edge_types[1:]:
        assert torch.equal(out[edge_type].edge_index, expected[edge_type].edge_index)
        assert torch.allclose(out[edge_type].edge_weight, expected[edge_type].edge_weight)


def test_ties_of_100_identical_rows_go_to_the_smallest_ids() -> None:
    data = HeteroData()
    data["item"].x_image = torch.randn(1, 37).expand(100, -1).clone()
    out = SimilarityGraph(k=10)(data)
    neighbour, item = out["item", "image_similar", "item"].edge_index
    assert item.tolist() == [i for i in range(100) for _ in range(10)]
    assert neighbour.tolist() == list(range(10)) * 100


def test_an_approximate_index_finds_the_nearest() -> None:
    pytest.importorskip("faiss")
    data = HeteroData()
    data["item"].x_image = torch.randn(300, 16, generator=torch.Generator().manual_seed(0))
    exact = SimilarityGraph(k=3)(data)["item", "image_similar", "item"].edge_index
    found = SimilarityGraph(k=3, index="HNSW32")(data)["item", "image_similar", "item"].edge_index
    shared = set(map(tuple, exact.t().tolist())) & set(map(tuple, found.t().tolist()))
    assert len(shared) > 0.95 * exact.size(1)


@pytest.mark.parametrize("index", ["IVF4,Flat", "IVF32,Flat"])
def test_inverted_lists_find_the_nearest(clustered_data: HeteroData, index: str) -> None:
    exact = SimilarityGraph(k=5)(clustered_data)
    found = SimilarityGraph(k=5, index=index)(clustered_data)
    for modality in ("image", "text"):
        edge_type = ("item", f"{modality}_similar", "item")
        assert exact[edge_type].search["index"] == "Flat"
        search = found[edge_type].search
        assert (search["engine"], search["index"]) == ("faiss", index)
        assert search["seconds"] > 0
        assert 0.95 <= search["recall"] <= 1.0
        edges, weights = found[edge_type].edge_index, found[edge_type].edge_weight
        key = edges[1] * 500 + edges[0]
        assert key.equal(key.unique())
        expected = exact[edge_type].edge_index
        shared = torch.isin(expected[1] * 500 + expected[0], key)
        assert shared.double().mean() >= 0.95
        place = torch.searchsorted(key, (expected[1] * 500 + expected[0])[shared])
        torch.testing.assert_close(weights[place], exact[edge_type].edge_weight[shared])


def test_a_search_of_all_lists_is_exact(clustered_data: HeteroData) -> None:
    pytest.importorskip("faiss")
    exact = SimilarityGraph(k=5)(clustered_data)
    found = SimilarityGraph(k=5, index="IVF8,Flat;nprobe=8")(clustered_data)
    for edge_type in exact.edge_types:
        assert found[edge_type].edge_index.equal(exact[edge_type].edge_index)


def test_names_are_arguments() -> None:
    data = HeteroData()
    data["film"].x_sound, data["film"].x_image = torch.eye(2), torch.ones(2, 1)
    out = data
    out = SimilarityGraph(k=1, modalities=["sound"], node_type="film")(out)
    assert out.edge_types == [("film", "sound_similar", "film")]
    assert out["film", "sound_similar", "film"].edge_index.tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, r"'k'.*\(got 0\)"),
        ({"negative": "clip"}, r"'negative'.*\(got 'clip'\)"),
    ],
)
def test_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SimilarityGraph(**options)


def test_wrong_data() -> None:
    data = HeteroData()
    data["item"].num_nodes = 2
    with pytest.raises(ValueError, match=r"'item'.*x_\*"):
        SimilarityGraph()(data)
    data["item"].x_image = torch.tensor([[1.0], [float("nan")]])
    with pytest.raises(ValueError, match=r"'x_image'.*node 1 "):
        SimilarityGraph()(data)
    with pytest.raises(ValueError, match=r"'modalities'.*'text'.*\['image'\]"):
        SimilarityGraph(modalities=["text"])(data)


def test_repr() -> None:
    assert str(SimilarityGraph(k=5)) == "SimilarityGraph(k=5, negative='drop')"


test_wrong_arguments = wrong_arguments("SimilarityGraph")
