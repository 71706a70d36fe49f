import json
from pathlib import Path

import pytest
import torch

import soil_pyg
from soil_pyg import recommend
from soil_pyg.ranking import item_index
from soil_pyg.ranking.item_index import ItemIndex
from soil_pyg.runs.trained_model import TrainedModel

faiss = pytest.importorskip("faiss")


@pytest.fixture
def trained(run_folder: Path) -> TrainedModel:
    return soil_pyg.load(run_folder)


def build(trained: TrainedModel) -> ItemIndex:
    index = ItemIndex.build(trained)
    assert index is not None
    index.save(trained)
    return index


def test_the_file_is_one_of_faiss(trained: TrainedModel, run_folder: Path) -> None:
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
    everything = recommend(trained, k=25, exclude_seen=False, index=True)
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
    monkeypatch.setattr(item_index, "auto_index", lambda num_items: "Lists16")
    trained.item_emb = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0))
    index = build(trained)
    assert index.description["index"].startswith("IVF16,Flat;nprobe=")
    assert index.description["recall"] > 0.9
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
        ("items.json", b"{", "JSONDecodeError"),
        ("items.json", b"{}", "KeyError"),
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
    trained: TrainedModel, run_folder: Path, monkeypatch: pytest.MonkeyPatch
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
