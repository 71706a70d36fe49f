"""Approximate search."""

import logging
import re

import pytest
import torch
from torch import Tensor

from soil_pyg.ops import faiss_index, search_options, vectors
from soil_pyg.ops.knn import KNN
from soil_pyg.ops.topk import isin_rowwise

faiss = pytest.importorskip("faiss")

BUDGETS = pytest.mark.parametrize("memory_budget", [1, 1000, 2**30])


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def exact(candidates: Tensor, query: Tensor, k: int) -> Tensor:
    return (query.double() @ candidates.double().t()).topk(k).indices


def recall_of(ids: Tensor, expected: Tensor) -> float:
    return float(isin_rowwise(expected, ids).double().mean())


def test_approximate_index_fills_up() -> None:
    candidates, query = normal(400, 4), normal(6, 4, seed=1)
    with pytest.warns(UserWarning, match="'recall' is 0.95"):
        values, ids = KNN(candidates, "IVF8,Flat;nprobe=1").search(query, k=300)
    products = query @ candidates.t()
    found = ids >= 0
    assert 0 < found.sum() < 6 * 300
    for row in range(6):
        count = int(found[row].sum())
        assert found[row, :count].all()
        assert len(set(ids[row, :count].tolist())) == count
        torch.testing.assert_close(values[row, :count], products[row, ids[row, :count]])
    assert (ids[~found] == -1).all()
    assert (values[~found] == -torch.inf).all()


@BUDGETS
@pytest.mark.parametrize("index", ["HNSW32", "IVF8,Flat", "IVF8,PQ3x4fs,RFlat"])
def test_any_memory_budget(memory_budget: int, index: str) -> None:
    candidates, query = normal(400, 6), normal(9, 6, seed=1)
    search = KNN(candidates, index, recall=1.0, memory_budget=memory_budget)
    assert search.search(query, k=4)[1].equal(exact(candidates, query, 4))


@pytest.mark.filterwarnings("ignore:'recall'")
def test_depth_that_is_given() -> None:
    candidates, query = normal(400, 8), normal(50, 8, seed=1)
    expected = exact(candidates, query, 5)
    recalls = []
    for depth in (1, 3, 8):
        search = KNN(candidates, index=f"IVF8,Flat;nprobe={depth}")
        found = recall_of(search.search(query, k=5)[1], expected)
        assert search.report == {
            "engine": "faiss",
            "index": "IVF8,Flat",
            "parameters": f"nprobe={depth}",
            "recall": pytest.approx(found),
        }
        recalls.append(found)
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.9
    assert recalls[2] == 1.0


def test_the_search_deepens_until_the_recall_is_reached(
    caplog: pytest.LogCaptureFixture,
) -> None:
    candidates, query = normal(400, 8), normal(50, 8, seed=1)
    search = KNN(candidates, "IVF7,Flat", recall=1.0)
    with caplog.at_level(logging.INFO, "soil_pyg"):
        assert search.tune(query, k=5) == 1.0
    # The next depth after 6 is 8, more than there are.
    assert search.report["parameters"] == "nprobe=7"
    message = "IVF7,Flat;nprobe=7 finds 1.000 of the nearest neighbours"
    assert caplog.messages == [message]
    assert search.search(query, k=5)[1].equal(exact(candidates, query, 5))
    search = KNN(candidates, "IVF7,Flat", recall=0.3)
    assert 0.3 <= search.tune(query, k=5) < 0.9
    assert search.report["parameters"] == "nprobe=1"


def test_neighbours_that_lie_far_away_are_found_by_probing_most_lists() -> None:
    # Two of ten neighbours are in no way near: groups of eight among random vectors.
    centre = torch.nn.functional.normalize(normal(500, 64))
    x = centre.repeat_interleave(8, dim=0) + 0.02 * normal(4000, 64, seed=1)
    x = torch.nn.functional.normalize(x)
    search = KNN(x, "IVF64,Flat", recall=0.99)
    ids = search.find(x, 10)
    assert recall_of(ids, exact(x, x, 10)) >= 0.98
    assert int(search.report["parameters"].removeprefix("nprobe=")) >= 32


@pytest.mark.parametrize("index", ["IVF8,PQ4x4fs,RFlat", "PQ4x4fs,RFlat", "HNSW4,Flat"])
@pytest.mark.parametrize("recall", [0.5, 0.99])
def test_any_depth_is_deepened(index: str, recall: float) -> None:
    candidates, query = normal(2000, 16), normal(300, 16, seed=1)
    search = KNN(candidates, index, recall=recall)
    ids = search.find(query, 5)
    assert search.report["recall"] >= recall
    assert recall_of(ids, exact(candidates, query, 5)) >= recall - 0.02


@pytest.mark.parametrize(
    ("index", "remedy"),
    [
        ("IVF8,Flat;nprobe=1", "nprobe=1"),
        ("PQ2x4", "index='PQ2x4,RFlat'"),
        ("IVF8,PQ2x4", "index='IVF8,PQ2x4,RFlat'"),
    ],
)
def test_a_recall_that_cannot_be_reached(index: str, remedy: str) -> None:
    candidates, query = normal(400, 8), normal(50, 8, seed=1)
    search = KNN(candidates, index)
    with pytest.warns(UserWarning, match=rf"'recall' is 0.95, but 0\.\d+ of .*{remedy}"):
        recall = search.tune(query, k=5)
    assert recall < 0.95
    assert search.report["recall"] == recall
    with pytest.raises(ValueError, match=f"'recall' is 0.95, but {recall:.3f} .*{remedy}"):
        KNN(candidates, index, strict=True).search(query, k=5)


def test_a_search_tunes_itself_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tuned = []
    tune = KNN.tune

    def count(self: KNN, query: Tensor, k: int) -> float:
        tuned.append((query.size(0), k))
        return tune(self, query, k)

    monkeypatch.setattr(KNN, "tune", count)
    candidates, query = normal(400, 8), normal(50, 8, seed=1)
    search = KNN(candidates, "IVF8,Flat", recall=1.0)
    for _ in range(2):
        assert search.search(query, k=5)[1].equal(exact(candidates, query, 5))
    assert tuned == [(50, 5)]
    search.search(query, k=6)
    search.add(candidates[:1])
    search.search(query, k=5)
    assert tuned == [(50, 5), (50, 6), (50, 5)]
    search.tune(query, k=5)
    search.search(query, k=9)
    assert len(tuned) == 4


def test_a_sample_of_many_queries_is_answered_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "SAMPLE", 10)
    searched = []
    find_by_torch = KNN._find_by_torch

    def count(self: KNN, query: Tensor, k: int) -> Tensor:
        searched.append(query)
        return find_by_torch(self, query, k)

    monkeypatch.setattr(KNN, "_find_by_torch", count)
    query = normal(95, 8, seed=1)
    assert KNN(normal(400, 8), "IVF8,Flat", recall=1.0).tune(query, k=5) == 1.0
    assert len(searched) == 1
    assert searched[0].equal(query[::10])


@pytest.mark.parametrize("index", ["IVF8,Flat", "IVF8,PQ4x4fs,RFlat", "HNSW8"])
def test_of_equal_vectors_the_first_are_found(index: str) -> None:
    copies = torch.nn.functional.normalize(normal(1, 8)).expand(300, 8)
    x = torch.cat([torch.nn.functional.normalize(normal(300, 8, seed=1)), copies])
    x = x[torch.randperm(600, generator=torch.Generator().manual_seed(0))]
    search = KNN(x, index, recall=1.0)
    for k in (3, 40, 320):
        expected = KNN(x, use_faiss=False).search(x[:100], k)
        search.tune(x[:100], k)
        found = search.search(x[:100], k)
        assert found.index.equal(expected.index)
        assert found.score.equal(expected.score)


def test_nothing_to_tune() -> None:
    candidates, query = normal(40, 8), normal(5, 8, seed=1)
    for use_faiss in (None, False):
        assert KNN(candidates, use_faiss=use_faiss).tune(query, k=3) == 1.0
    empty, search = KNN(candidates[:0], "IVF2,Flat"), KNN(candidates, "IVF2,Flat", recall=1.0)
    for index, queries in [(empty, query), (search, query[:0])]:
        assert index.tune(queries, k=3) == 1.0
        assert "recall" not in index.report
        assert index.search(queries, k=3)[1].numel() == 0
    assert search.search(query, k=3)[1].equal(exact(candidates, query, 3))


def test_many_vectors_are_searched_by_the_default_index(monkeypatch: pytest.MonkeyPatch) -> None:
    x = normal(300, 8)
    assert KNN(x, "auto").report["index"] == "Flat"
    monkeypatch.setattr(search_options, "EXACT_ITEMS", 299)
    assert KNN(x, "auto").report["index"] == faiss_index.default_index(x)
    assert KNN(x[1:], "auto").report["index"] == "Flat"


@pytest.mark.parametrize(
    "index", ["IVF2,Flat;nprobe=x", "IVF2,Flat;efSearch=9", "HNSW8;nprobe=3", "Flat;nprobe=2"]
)
def test_wrong_search_parameters(index: str) -> None:
    parameters = index.partition(";")[2]
    match = rf"'index'.*got '{re.escape(parameters)}'"
    with pytest.raises(ValueError, match=match):
        KNN(normal(100, 3), index=index)


def test_an_unknown_index_is_named() -> None:
    match = r"'index'.*got 'NoSuch7'"
    with pytest.raises(ValueError, match=match):
        KNN(normal(9, 4), index="NoSuch7")


def test_faiss_prints_nothing(capfd: pytest.CaptureFixture) -> None:
    for index in ("IVF16,Flat", "IVF4,PQ4x4fs,RFlat", "PQ4x4", "HNSW8"):
        KNN(normal(60, 8), index, recall=0.01).search(normal(5, 8), k=2)
    assert capfd.readouterr() == ("", "")


def test_arrays_can_still_be_searched_by_faiss() -> None:
    KNN(normal(9, 4), index="HNSW8")
    index = faiss.IndexFlatIP(4)
    index.add(normal(9, 4).numpy())
    assert index.search(normal(2, 4).numpy(), 3)[1].tolist() == (
        exact(normal(9, 4), normal(2, 4), 3).tolist()
    )
