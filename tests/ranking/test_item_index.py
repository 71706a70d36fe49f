import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

import soil_pyg
from soil_pyg import recommend
from soil_pyg.ops import search_options
from soil_pyg.ranking.item_index import ENTRY_BYTES, IndexRanker, ItemIndex
from soil_pyg.runs.trained_model import TrainedModel


@pytest.fixture
def faiss() -> ModuleType:
    return pytest.importorskip("faiss")


@pytest.fixture
def trained(faiss: ModuleType, run_folder: Path) -> TrainedModel:
    return soil_pyg.load(run_folder)


def build(trained: TrainedModel) -> ItemIndex:
    index = ItemIndex.build(trained)
    assert index is not None
    index.save(trained)
    return index


def test_no_index_of_sparse_embeddings_or_without_faiss(
    trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense, trained.item_emb = trained.item_emb, trained.item_emb.to_sparse()
    assert ItemIndex.build(trained) is None
    trained.item_emb = dense
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert ItemIndex.build(trained) is None


def test_the_file_is_one_of_faiss(
    faiss: ModuleType, trained: TrainedModel, run_folder: Path
) -> None:
    index = faiss.read_index(str(run_folder / "items.index"))
    values, ids = index.search(trained.user_emb[:4].numpy(), 3)
    expected = (trained.user_emb[:4] @ trained.item_emb.t()).topk(3)
    assert ids.tolist() == expected.indices.tolist()
    assert values == pytest.approx(expected.values.numpy())
    description = json.loads((run_folder / "items.json").read_text())
    assert (description["index"], description["recall"]) == ("Flat", 1.0)


def test_recommendations_with_the_index_are_those_without(trained: TrainedModel) -> None:
    expected = recommend(trained, k=6)
    for memory_budget in (2**30, 2**13):
        found = recommend(trained, k=6, index=True, memory_budget=memory_budget)
        assert found["item"].tolist() == expected["item"].tolist()
        assert found["score"].tolist() == pytest.approx(expected["score"].tolist())
    everything = recommend(trained, k=25, exclude_seen="none", index=True)
    assert everything["user"].value_counts().tolist() == [25] * 30
    assert len(recommend(trained, k=25, index=True)) == len(recommend(trained, k=25))


def test_equal_scores_come_by_the_position_of_the_item(trained: TrainedModel) -> None:
    trained.item_emb[:] = 1
    build(trained)
    frame = recommend(trained, k=25, index=True)
    assert frame["item"].tolist() == recommend(trained, k=25)["item"].tolist()


def test_many_items_are_searched_approximately(
    trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_options, "EXACT_ITEMS", 999)
    trained.item_emb = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0))
    index = build(trained)
    assert index.description["index"].startswith("IVF")
    assert index.description["recall"] >= 0.95
    loaded = ItemIndex.load(trained)
    assert loaded is not None
    found = loaded.search(trained.user_emb, 20)
    assert torch.equal(found[1], index.search(trained.user_emb, 20)[1])


def test_an_index_that_is_not_there(trained: TrainedModel, run_folder: Path) -> None:
    (run_folder / "items.json").unlink()
    with pytest.raises(ValueError, match="'index'"):
        recommend(trained, index=True)


def test_an_index_of_other_embeddings_is_none(trained: TrainedModel) -> None:
    trained.run["files"]["embeddings.safetensors"] = "other"
    assert ItemIndex.load(trained) is None


@pytest.mark.parametrize(
    ("name", "content", "got"),
    [
        ("items.index", b"", ""),
        ("items.json", b"{", "line 1"),
        ("items.json", b"{}", "format"),
        ("items.json", b'{"format": 9, "sha256": "", "embeddings": ""}', r"\(got 9\)"),
    ],
)
def test_files_that_have_changed_are_named(
    trained: TrainedModel, run_folder: Path, name: str, content: bytes, got: str
) -> None:
    (run_folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}'.*{got}"):
        recommend(trained, index=True)


def test_no_room_for_the_index(
    faiss: ModuleType, trained: TrainedModel, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = ItemIndex.load(trained)
    assert index is not None

    def fail(index: object, path: str) -> None:
        Path(path).write_bytes(b"half of")
        raise RuntimeError("Error: write error: No space left on device")

    monkeypatch.setattr(faiss, "write_index", fail)
    before = (run_folder / "items.index").read_bytes()
    with pytest.raises(OSError, match=r"items.index'.*No space left"):
        index.save(trained)
    assert (run_folder / "items.index").read_bytes() == before
    assert not list(run_folder.glob(".*.tmp"))


class Fake(ItemIndex):
    """An index that finds every item except item 2."""

    def __init__(self, item_emb: Tensor) -> None:
        self.item_emb = item_emb
        self.calls: list[tuple[int, int]] = []

    def search(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        self.calls.append((len(query), k))
        scores = query @ self.item_emb.t()
        scores[:, 2] = -torch.inf
        values, ids = scores.topk(k)
        return values, ids.masked_fill(values == -torch.inf, -1)


def test_masked_items_are_left_out_and_ties_are_broken_by_the_smaller_index() -> None:
    item_emb = torch.tensor([[1.0], [3.0], [9.0], [1.0], [2.0], [1.0]])
    mask_index = torch.tensor([[1, 1, 0], [4, 1, 3]])
    index = Fake(item_emb)
    ranker = IndexRanker(index, torch.ones(3, 1), item_emb, mask_index, memory_budget=2**20)
    score, item = ranker.rank(torch.tensor([2, 1, 0]), k=3)
    assert item[0].tolist() == [1, 4, 0]
    assert item[1].tolist() == [0, 3, 5]
    assert score.tolist() == [[3, 2, 1], [1, 1, 1], [3, 2, 1]]
    assert item[2].tolist() == [1, 4, 0]
    assert index.calls == [(3, 5)]


def test_fewer_items_than_asked_for() -> None:
    ranker = IndexRanker(
        Fake(torch.ones(3, 1)),
        torch.ones(2, 1),
        torch.ones(3, 1),
        torch.tensor([[0], [1]]),
        memory_budget=2**20,
    )
    score, item = ranker.rank(torch.tensor([0, 1]), k=3)
    assert score.tolist() == [[1, -torch.inf, -torch.inf], [1, 1, -torch.inf]]
    assert (item[0, 0], *item[1, :2].tolist()) == (0, 0, 1)


def test_nothing_is_masked_and_blocks_follow_the_budget() -> None:
    index = Fake(torch.rand(9, 2))
    empty = torch.empty(2, 0, dtype=torch.long)
    ranker = IndexRanker(index, torch.rand(7, 2), index.item_emb, empty, ENTRY_BYTES * 4 * 3)
    ranker.rank(torch.arange(7), k=4)
    assert index.calls == [(3, 4), (3, 4), (1, 4)]
