"""Approximate search."""

import importlib.util
import logging
import re
import sys

import pytest
import torch
from torch import Tensor

from soil_pyg.ops import knn
from soil_pyg.ops.knn import KNN

needs_faiss = pytest.mark.skipif(
    importlib.util.find_spec("faiss") is None, reason="faiss is not installed"
)
BUDGETS = pytest.mark.parametrize("memory_budget", [1, 1000, 2**30])
LISTS = pytest.mark.parametrize(
    "index", ["Lists8", pytest.param("IVF8,Flat", marks=needs_faiss)], ids=["torch", "faiss"]
)


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def exact(candidates: Tensor, query: Tensor, k: int) -> Tensor:
    return (query.double() @ candidates.double().t()).topk(k).indices


@LISTS
def test_approximate_index_fills_up(index: str) -> None:
    candidates, query = normal(400, 4), normal(6, 4, seed=1)
    values, ids = KNN(candidates, index=f"{index};nprobe=1").search(query, k=300)
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


@needs_faiss
@BUDGETS
def test_index_factory_string(memory_budget: int) -> None:
    candidates, query = normal(40, 6), normal(9, 6, seed=1)
    search = KNN(candidates, index="HNSW32", memory_budget=memory_budget)
    assert search.search(query, k=4)[1].tolist() == exact(candidates, query, 4).tolist()


@LISTS
def test_depth_that_is_given(index: str) -> None:
    candidates, query = normal(400, 8), normal(50, 8, seed=1)
    expected = exact(candidates, query, 5)
    recalls = []
    for depth in (1, 3, 8):
        search = KNN(candidates, index=f"{index};nprobe={depth}")
        ids = search.search(query, k=5)[1]
        found = (ids.unsqueeze(2) == expected.unsqueeze(1)).any(dim=1).double().mean()
        assert search.report == {
            "index": f"{index};nprobe={depth}",
            "recall": pytest.approx(float(found)),
        }
        recalls.append(float(found))
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.9
    assert recalls[2] == 1.0


@LISTS
def test_depth_is_tuned_until_the_recall_is_reached(
    index: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knn, "DEPTHS", (1, 2, 8, 16))
    candidates, query = normal(400, 8), normal(50, 8, seed=1)
    search = KNN(candidates, index=index)
    assert search.report == {"index": index}
    with caplog.at_level(logging.INFO, "soil_pyg"):
        assert search.tune(query, k=5) == 1.0
    assert search.report == {"index": f"{index};nprobe=8", "recall": 1.0}
    message = f"{index};nprobe=8 finds 1.000 of the exact answers to 50 queries"
    assert caplog.messages == [message]
    assert search.search(query, k=5)[1].equal(exact(candidates, query, 5))
    search = KNN(candidates, index, recall=0.3)
    assert 0.3 <= search.tune(query, k=5) < 0.9
    assert search.report["index"] == f"{index};nprobe=1"


@LISTS
def test_the_deepest_search_is_kept_where_the_recall_is_not_reached(
    index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knn, "DEPTHS", (1, 2))
    search = KNN(normal(400, 8), index=index)
    recall = search.tune(normal(50, 8, seed=1), k=5)
    assert recall < search.search_options.recall
    assert search.report == {"index": f"{index};nprobe=2", "recall": recall}


@LISTS
def test_a_search_tunes_itself_once(index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tuned = []
    tune = KNN.tune

    def count(self: KNN, query: Tensor, k: int) -> float:
        tuned.append((query.size(0), k))
        return tune(self, query, k)

    monkeypatch.setattr(KNN, "tune", count)
    candidates, query = normal(400, 8), normal(50, 8, seed=1)
    search = KNN(candidates, index=index)
    for _ in range(2):
        assert search.search(query, k=5)[1].equal(exact(candidates, query, 5))
    assert tuned == [(50, 5)]


def test_a_sample_of_many_queries_is_answered_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "SAMPLE", 10)
    searched = []
    search_torch = KNN._search_torch

    def count(self: KNN, query: Tensor, *args: object) -> tuple[Tensor, Tensor]:
        searched.append(query)
        return search_torch(self, query, *args)

    monkeypatch.setattr(KNN, "_search_torch", count)
    query = normal(95, 8, seed=1)
    assert KNN(normal(400, 8), index="Lists8").tune(query, k=5) == 1.0
    assert len(searched) == 1
    assert searched[0].equal(query[::10])


@needs_faiss
def test_depth_of_graphs() -> None:
    search = KNN(normal(400, 8), index="HNSW16")
    recall = search.tune(normal(50, 8, seed=1), k=5)
    assert recall > 0.9
    depth = search.report["index"].removeprefix("HNSW16;efSearch=")
    assert int(depth) in knn.DEPTHS


@needs_faiss
@BUDGETS
def test_lists_of_many_blocks(memory_budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn.inverted_lists, "MAX_QUERIES", 7)
    candidates, query = normal(400, 8), normal(50, 8, seed=1)
    for index in ("Lists8", "IVF8,Flat"):
        ids = KNN(candidates, index, memory_budget=memory_budget).search(query, k=5)[1]
        assert ids.equal(exact(candidates, query, 5))


def test_lists_need_no_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    candidates, query = normal(400, 8), normal(50, 8, seed=1)
    ids = KNN(candidates, index="Lists8").search(query, k=5)[1]
    assert ids.equal(exact(candidates, query, 5))


def test_nothing_to_tune() -> None:
    candidates, query = normal(40, 8), normal(5, 8, seed=1)
    for use_faiss in (None, False):
        assert KNN(candidates, use_faiss=use_faiss).tune(query, k=3) == 1.0
    empty, search = KNN(candidates[:0], index="Lists8"), KNN(candidates, index="Lists8")
    for lists, queries in [(empty, query), (search, query[:0])]:
        assert lists.tune(queries, k=3) == 1.0
        assert lists.report == {"index": "Lists8"}
        assert lists.search(queries, k=3)[1].numel() == 0
    assert search.search(query, k=3)[1].equal(exact(candidates, query, 3))


@pytest.mark.parametrize("index", ["Listsx", "Lists0", "Lists8;efSearch=9", "Lists8;nprobe=0"])
def test_wrong_lists(index: str) -> None:
    for size in (0, 10):
        with pytest.raises(ValueError, match=rf"'index'.*got '{index}'"):
            KNN(normal(size, 3), index=index)


@needs_faiss
@pytest.mark.parametrize(
    "index", ["IVF2,Flat;nprobe=x", "IVF2,Flat;efSearch=9", "HNSW8;nprobe=3", "Flat;nprobe=2"]
)
def test_wrong_search_parameters(index: str) -> None:
    parameters = index.partition(";")[2]
    match = rf"'index'.*got '{re.escape(parameters)}'"
    with pytest.raises(ValueError, match=match):
        KNN(normal(100, 3), index=index).search(normal(2, 3), k=1)


@needs_faiss
def test_an_unknown_index_is_named() -> None:
    match = r"'index'.*got 'NoSuch7'"
    with pytest.raises(ValueError, match=match):
        KNN(normal(9, 4), index="NoSuch7")
