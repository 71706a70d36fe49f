import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from soil_pyg.ops import search_options, similarity_pass
from soil_pyg.ops.collector import Collector
from soil_pyg.ops.knn import KNN
from soil_pyg.ops.matmul import matmul_precision
from soil_pyg.ops.nearest_items import NearestItems
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.ops.similarity_pass import SimilarityPass
from soil_pyg.utils.engine import map_blocks

NUM_ITEMS = 14


class Recorder(Collector):
    """Keeps all that a pass hands it."""

    def __init__(self, num_rows: int = 0, num_neighbours: int = 0) -> None:
        super().__init__()
        self.num_rows = num_rows
        self.num_neighbours = num_neighbours
        self.blocks: list[tuple[slice, dict[str, Tensor]]] = []
        self.found: dict[str, tuple[KNN, Tensor, Tensor]] = {}
        self.num_indices = 0

    def add_block(self, block: slice, similarity: dict[str, Tensor]) -> None:
        self.blocks.append((block, similarity))

    def add_index(self, modality: str, knn: KNN, node: Tensor, neighbour: Tensor) -> None:
        self.num_indices += 1
        self.found[modality] = knn, node, neighbour


@pytest.mark.parametrize("memory_budget", [1, 8 * 4 * 8 * NUM_ITEMS, 2**30])
def test_blocks_are_the_similarities(
    make_features: Callable, cosines: Callable, memory_budget: int
) -> None:
    features = make_features()
    recorder = Recorder()
    SimilarityPass(features, SearchOptions(memory_budget=memory_budget)).run(recorder)
    assert len(recorder.blocks) == {1: NUM_ITEMS, 2**30: 1}.get(memory_budget, 5)
    places = [place for block, _ in recorder.blocks for place in range(block.start, block.stop)]
    assert places == list(range(NUM_ITEMS))
    for modality, expected in cosines(features).items():
        whole = torch.cat([similarity[modality] for _, similarity in recorder.blocks])
        np.testing.assert_allclose(whole, np.nan_to_num(expected), atol=1e-6)
    assert recorder.num_indices == 0


@pytest.mark.parametrize(("num_rows", "expected"), [(0, 6), (56, 2), (10**6, 1)])
def test_height_of_a_block_obeys_the_budget(
    make_features: Callable, num_rows: int, expected: int
) -> None:
    # Two similarities, their copies and what a collector needs: eight numbers an item and row;
    # half of the budget is left for what the collectors keep, an eighth for shared products.
    recorders = Recorder(num_rows), Recorder()
    budget = 8 * 4 * 8 * NUM_ITEMS * 6 // 3
    SimilarityPass(make_features(), SearchOptions(memory_budget=budget)).run(*recorders)
    for recorder in recorders:
        assert recorder.blocks[0][0] == slice(0, expected)
        assert recorder.blocks[0][1]["text"].size() == (expected, NUM_ITEMS)


def test_a_block_is_never_higher_than_pays(
    make_features: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarity_pass, "MAX_ROWS", 5)
    recorder = Recorder()
    SimilarityPass(make_features()).run(recorder)
    assert [block for block, _ in recorder.blocks] == [slice(0, 5), slice(5, 10), slice(10, 14)]


def test_all_collectors_are_given_the_same_similarities(make_features: Callable) -> None:
    first, second = Recorder(), Recorder()
    SimilarityPass(make_features(), SearchOptions(memory_budget=1)).run(first, second)
    assert len(first.blocks) == len(second.blocks) == NUM_ITEMS
    for (_, mine), (_, other) in zip(first.blocks, second.blocks, strict=True):
        assert mine["image"] is other["image"]


def test_exact_search_is_reported(
    make_features: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder()
    with caplog.at_level(logging.INFO, "soil_pyg"):
        search = SimilarityPass(make_features(), SearchOptions(memory_budget=1))
        search.run(recorder)
    assert search.is_exact
    for report in recorder.report.values():
        assert report.pop("seconds") >= 0
        assert report == {"engine": "torch", "index": "Flat", "parameters": "", "recall": 1.0}
    assert caplog.messages == ["14 items: compared exactly, 1 at a time"]


def test_approximate_search(
    make_features: Callable, cosines: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    features = make_features()
    few, many, none = Recorder(num_neighbours=2), Recorder(num_neighbours=4), Recorder()
    with caplog.at_level(logging.INFO, "soil_pyg"):
        search = SimilarityPass(features, SearchOptions(index="IVF2,Flat;nprobe=2"))
        search.run(few, many, none)
    assert not search.is_exact
    for recorder in (few, many, none):
        assert recorder.blocks == []
        assert recorder.num_indices == 2
        for report in recorder.report.values():
            assert (report["engine"], report["index"]) == ("faiss", "IVF2,Flat")
            assert report["parameters"].startswith("nprobe=")
            assert report["recall"] == 1.0
    for modality, expected in cosines(features).items():
        knn, node, neighbour = many.found[modality]
        having = features[modality][1].nonzero().view(-1).tolist()
        assert node.tolist() == having
        assert knn.get_emb().equal(features[modality][0][node])
        assert neighbour.size() == (len(having), 4)
        for row, item in zip(neighbour.tolist(), having, strict=True):
            near = expected[item, having]
            best = sorted(range(len(having)), key=lambda place: (-near[place], place))[:4]
            np.testing.assert_allclose(near[row], near[best], atol=1e-6)
        assert few.found[modality][0] is knn
        assert few.found[modality][2].equal(neighbour)
    assert "14 items: searched with IVF2,Flat" in caplog.messages


def test_items_that_nobody_asks_the_neighbours_of_are_not_searched(
    make_features: Callable,
) -> None:
    recorder = Recorder()
    SimilarityPass(make_features(), SearchOptions(index="IVF2,Flat")).run(recorder)
    assert recorder.found["image"][2].numel() == 0
    assert "recall" not in recorder.report["image"]


def test_a_modality_that_no_item_has() -> None:
    features = {"image": (torch.zeros(5, 3), torch.zeros(5, dtype=torch.bool))}
    recorder = Recorder(num_neighbours=2)
    SimilarityPass(features, SearchOptions(index="IVF2,Flat")).run(recorder)
    assert recorder.found["image"][1].tolist() == []
    assert recorder.found["image"][2].numel() == 0


def test_index_is_chosen_by_the_number_of_items(monkeypatch: pytest.MonkeyPatch) -> None:
    features = {"image": (torch.eye(3), torch.ones(3, dtype=torch.bool))}
    assert SimilarityPass(features).is_exact
    monkeypatch.setattr(search_options, "EXACT_ITEMS", 2)
    assert not SimilarityPass(features).is_exact
    assert SimilarityPass(features, SearchOptions(index="Flat")).is_exact


def test_lower_precision_is_an_option_and_its_agreement_is_kept(
    make_features: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    x = torch.nn.functional.normalize(torch.randn(600, 256))
    features = make_features(num_items=600) | {"image": (x, torch.ones(600, dtype=torch.bool))}
    recorder = Recorder()
    with caplog.at_level(logging.INFO, "soil_pyg"):
        SimilarityPass(features, SearchOptions(matmul_precision="medium")).run(recorder)
    sample = x[:: 600 // 256]
    nearest = []
    for precision in ("highest", "medium"):
        with matmul_precision(precision):
            nearest.append((sample @ x.t()).topk(10).indices.tolist())
    shared = [len(set(a) & set(b)) / 10 for a, b in zip(*nearest, strict=True)]
    assert recorder.report["image"]["precision"] == "medium"
    expected = pytest.approx(sum(shared) / len(shared))
    assert recorder.report["image"]["agreement"] == expected
    assert 0.5 < recorder.report["text"]["agreement"] <= 1
    assert "of the nearest by image agree" in caplog.text
    assert torch.get_float32_matmul_precision() == "highest"


def test_an_engine_compares_in_the_same_precision(
    make_features: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Watching(NearestItems):
        def compute(self, part: slice) -> Any:
            seen.append(torch.get_float32_matmul_precision())
            return super().compute(part)

    monkeypatch.setattr(similarity_pass, "current_engine", lambda: "elsewhere")
    monkeypatch.setattr(similarity_pass, "map_blocks", lambda f, *args: map_blocks(f, *args[:2]))
    features = make_features(num_items=60)
    nearest = Watching(features, 3)
    SimilarityPass(features, SearchOptions(matmul_precision="medium")).run(nearest)
    assert set(seen) == {"medium"}
    for report in nearest.report.values():
        assert (report["engine"], report["precision"]) == ("elsewhere", "medium")
        assert 0.5 < report["agreement"] <= 1


def test_the_precision_is_put_back_after_an_error() -> None:
    def fail() -> None:
        with matmul_precision("high"):
            assert torch.get_float32_matmul_precision() == "high"
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_float32_matmul_precision() == "highest"


def test_a_precision_that_is_none(make_features: Callable) -> None:
    message = r"'matmul_precision'.*\(got 'low'\)"
    with pytest.raises(ValueError, match=message):
        SimilarityPass(make_features(), SearchOptions(matmul_precision="low"))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_of_equal_items_the_first_are_eligible(make_features: Callable, k: int) -> None:
    recorder = Recorder()
    recorder.features = make_features()
    has = recorder.features["image"][1].clone()
    has[[3, 7, 8][k:]] = False
    assert recorder.eligible("image", k).equal(has)
