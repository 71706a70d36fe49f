import logging
import os
import pickle
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch

from soil_pyg.datasets import MultimodalDataset
from soil_pyg.datasets.multimodal import read_interactions
from soil_pyg.typing import INTERACTS, modalities_of

Layout = Callable[..., Path]
GOOD = [(0, 0, 0), (0, 1, 1), (0, 2, 2)]


def test_the_layout_is_read(layout: Layout, caplog: pytest.LogCaptureFixture) -> None:
    image = np.arange(10, dtype=np.float16).reshape(5, 2)
    audio = np.zeros((5, 3))
    with caplog.at_level(logging.WARNING):
        data = MultimodalDataset(layout(image=image, audio=audio), "toy")[0]
    assert data["user"].num_nodes == 3
    assert data["user"].id.tolist() == [0, 1, 3]
    assert data.num_dropped_users == 1
    assert data["item"].num_nodes == 5
    assert data["item"].id.tolist() == [0, 1, 2, 3, 4]
    assert modalities_of(data) == ["audio", "image"]
    assert data["item"].x_image.dtype == data["item"].x_audio.dtype == torch.float32
    assert data["item"].x_image.tolist() == image.tolist()
    store = data[INTERACTS]
    assert store.edge_index.tolist() == [[0, 0, 1, 2, 2], [0, 1, 1, 0, 2]]
    assert store.val_edge_label_index.tolist() == [[0], [2]]
    assert store.test_edge_label_index.tolist() == [[1], [3]]
    assert "dropped 1 of 4 users without training interactions" in caplog.messages[0]


def test_without_features_the_largest_item_counts(layout: Layout) -> None:
    data = MultimodalDataset(layout(), "toy")[0]
    assert data["item"].num_nodes == 4
    assert modalities_of(data) == []


def test_the_order_of_rows_and_other_columns_do_not_matter(layout: Layout) -> None:
    rows = [(2, "x", 0, 0, 5.5), (0, "", 0, 0, 1), (1, '"', 0, 1, 2), (3, "q", 0, 2, 1)]
    header = "itemID\ttitle\tuserID\tx_label\trating"
    data = MultimodalDataset(layout(rows, header), "toy")[0]
    assert data[INTERACTS].edge_index.tolist() == [[0, 0], [0, 2]]
    assert data[INTERACTS].val_edge_label_index.tolist() == [[0], [1]]


@pytest.mark.parametrize("text", ["\ufeff{}", "{}\n\n", "\r\n"])
def test_files_of_other_systems_are_read(layout: Layout, text: str) -> None:
    content = "userID\titemID\tx_label\n0\t0\t0\n0\t1\t1\n0\t2\t2"
    content = content.replace("\n", text) if text == "\r\n" else text.format(content)
    assert MultimodalDataset(layout(content=content), "toy")[0]["item"].num_nodes == 3


def test_the_root_may_be_a_path_or_start_at_home(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = layout(GOOD)
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.chdir(root / "toy")
    digests = {MultimodalDataset(r, "toy").digest for r in (root, str(root), "~", "..")}
    assert len(digests) == 1


def test_the_digest_is_that_of_the_content(layout: Layout) -> None:
    image = np.ones((3, 2), dtype=np.float32)
    digests = [MultimodalDataset(layout(GOOD), "toy").digest]
    digests.append(MultimodalDataset(layout(GOOD, image=image), "toy").digest)
    digests.append(MultimodalDataset(layout(GOOD, image=image * 2), "toy").digest)
    digests.append(MultimodalDataset(layout(GOOD[::-1], image=image * 2), "toy").digest)
    assert len(set(digests)) == 4
    root = layout(GOOD, image=image)
    os.utime(root / "toy" / "toy.inter", (0, 0))
    dataset = MultimodalDataset(root, "toy")
    assert dataset.digest == digests[1]
    assert dataset[0]["item"].x_image.tolist() == image.tolist()
    assert len(list((root / "toy" / "processed").iterdir())) == 4


def test_a_missing_file_is_named_and_nothing_is_made(layout: Layout) -> None:
    root = layout()
    with pytest.raises(FileNotFoundError, match=rf"baby.baby\.inter.*'root'.*{root}: toy"):
        MultimodalDataset(root, "baby")
    with pytest.raises(FileNotFoundError, match=r"nowhere.baby.*nowhere: none"):
        MultimodalDataset(root / "nowhere", "baby")
    assert sorted(path.name for path in root.rglob("*")) == ["toy", "toy.inter"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("userID,itemID,x_label\n0,0,0\n", r"line 1.*'userID'.*'userID,itemID,x_label'"),
        ("userID\titemID\n0\t0\n", r"line 1.*'x_label'.*\(got \['userID', 'itemID'\]\)"),
        ("userID\tuserID\titemID\tx_label\n", "line 1.*'userID'.*twice"),
        ("userID\titemID\tx_label\n", ""),
        ("userID\titemID\tx_label\n0\t0\t0\n0\tB01\t0\n", r"line 3: 'itemID' .*\(got B01\)"),
        ("userID\titemID\tx_label\n0\t0\t0\n\n0\t1\t0\n", "line 3: 'userID' .*missing"),
        ("userID\titemID\tx_label\n0\t1.5\t0\n", r"line 2: 'itemID' .*\(got 1\.5\)"),
        ("userID\titemID\tx_label\n0\t\t0\n", "line 2: 'itemID' .*missing"),
        ("userID\titemID\tx_label\n0\t1\n", r"line 2.* 3 .*\(got 2 in '0.t1'\)"),
        ("userID\titemID\tx_label\n0\t1\t0\t0\n", r"line 2.* 3 .*\(got 4 in '0.t1.t0.t0'\)"),
        ("userID\titemID\tx_label\n0\t99999999999999999999\t0\n", r"line 2: 'itemID' .*\(got 9+\)"),
    ],
)
def test_files_that_are_no_table_are_refused(layout: Layout, content: str, message: str) -> None:
    root = layout(content=content)
    with pytest.raises(ValueError, match=rf"toy\.inter.*{message}"):
        MultimodalDataset(root, "toy")
    assert sorted(path.name for path in root.rglob("*")) == ["toy", "toy.inter"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(-1, 3, 0)], r"line 5: 'userID' .* 0 \(got -1\)"),
        ([(1, -3, 0)], r"line 5: 'itemID' .* 0 \(got -3\)"),
        ([(1, 0, 0), (10**8, 0, 0)], r"line 6: 'userID' .* 99999999,.*\(got 100000000\)"),
        ([(1, 10**12, 0)], r"line 5: 'itemID' .* 99999999,.*\(got 1000000000000\)"),
        ([(1, 3, 3)], r"line 5: 'x_label' .* 0, 1, 2 \(got '3'\)"),
        ([(1, 3, -1)], r"line 5: 'x_label' .* 0, 1, 2 \(got '-1'\)"),
        ([(1, 3, 0), (0, 0, 0)], r"line 6: .*toy\.inter, line 2"),
        ([(0, 2, 0)], r"line 5: .*toy\.inter, line 4"),
        ([(1, 4, 0)], r"line 5: 'itemID' .* less than 4,.*\(got 4\)"),
    ],
)
def test_rows_that_cannot_be_right_are_refused(
    layout: Layout, rows: list[tuple[int, int, int]], message: str
) -> None:
    root = layout(GOOD + rows, image=np.ones((4, 2)))
    with pytest.raises(ValueError, match=rf"toy\.inter, {message}"):
        MultimodalDataset(root, "toy")
    assert not (root / "toy" / "processed").exists()


@pytest.mark.parametrize(("missing", "split"), [(0, "train"), (1, "val"), (2, "test")])
def test_an_empty_split_is_refused(layout: Layout, missing: int, split: str) -> None:
    root = layout([row for row in GOOD if row[2] != missing])
    with pytest.raises(ValueError, match=rf"'toy': .*{split}.*\(label {missing}\)"):
        MultimodalDataset(root, "toy")


def test_the_line_is_right_in_a_long_file(layout: Layout) -> None:
    rows: list[tuple[object, ...]] = [(u, i, 0) for u in range(1000) for i in range(300)]
    root = layout([*rows, (1, "x", 0)])
    with pytest.raises(ValueError, match=r"line 300002: 'itemID' .*\(got x\)"):
        MultimodalDataset(root, "toy")


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((3, 2, 2)), r"\(got shape \(3, 2, 2\)\)"),
        (np.ones(3), r"\(got shape \(3,\)\)"),
        (np.ones((3, 0)), r"\(got shape \(3, 0\)\)"),
        (np.full((3, 2), "a"), r"\(got type <U1\)"),
        (np.ones((3, 2), dtype=complex), r"\(got type complex128\)"),
        (np.array([[1, 2], [3, 4], [5, np.nan]]), "NaN .* row 2"),
        (np.array([[1, 2], [-np.inf, 4], [5, 6]]), "infinite .* row 1"),
        (np.array([[1e300, 2], [3, 4], [5, 6]]), "float32.* row 0"),
    ],
)
def test_features_that_cannot_be_right_are_refused(
    layout: Layout, matrix: np.ndarray, message: str
) -> None:
    root = layout(GOOD, image=matrix)
    with pytest.raises(ValueError, match=rf"image_feat\.npy .*{message}"):
        MultimodalDataset(root, "toy")
    assert not (root / "toy" / "processed").exists()


def test_numbers_of_feature_rows_must_agree(layout: Layout) -> None:
    root = layout(GOOD, image=np.ones((3, 2)), text=np.ones((4, 2)))
    (root / "toy" / "toy.inter").write_text("not read before")
    with pytest.raises(ValueError, match=r"image_feat\.npy has 3, .*text_feat\.npy has 4"):
        MultimodalDataset(root, "toy")


class Exploit:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.path}'",)


def test_object_arrays_and_pickles_are_refused_unopened(layout: Layout) -> None:
    root = layout(GOOD, image=np.array([[Exploit(Path("executed"))]] * 3))
    path = root / "toy" / "image_feat.npy"
    archive = BytesIO()
    np.savez(archive, a=np.ones(3))
    pickled = pickle.dumps(Exploit(root / "executed"))
    for content in (path.read_bytes(), pickled, archive.getvalue(), b""):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"image_feat\.npy .*\.npy format"):
            MultimodalDataset(root, "toy")
    assert not (root / "executed").exists()


def test_modalities_need_names(layout: Layout) -> None:
    root = layout(GOOD)
    for name in ("", "image.v2"):
        path = root / "toy" / f"{name}_feat.npy"
        np.save(path, np.ones((3, 2)))
        with pytest.raises(ValueError, match=rf"{path}: .*\(got '{name}'\)"):
            MultimodalDataset(root, "toy")
        path.unlink()
    np.save(root / "toy" / "user_graph_dict.npy", np.ones(1))
    assert modalities_of(MultimodalDataset(root, "toy")[0]) == []


def test_baby_is_read_in_well_under_a_second(real_data: Path) -> None:
    path = real_data / "baby" / "baby.inter"
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        pairs = read_interactions(path)
        seconds.append(time.perf_counter() - start)
    assert np.bincount(pairs.label).tolist() == [118_551, 20_559, 21_682]
    assert min(seconds) < 0.5


def test_tiktok_is_read(real_data: Path) -> None:
    data = MultimodalDataset(real_data, "tiktok")[0]
    assert (data["user"].num_nodes, data["item"].num_nodes) == (9_298, 6_710)
    assert data.num_dropped_users == 10
    assert data[INTERACTS].edge_index.shape == (2, 59_541)
    assert data[INTERACTS].edge_index[0].unique().tolist() == list(range(9_298))
    assert 6_710 - len(data[INTERACTS].edge_index[1].unique()) == 465
    assert data["item"].x_image.shape == data["item"].x_audio.shape == (6_710, 128)
