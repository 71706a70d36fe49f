import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from soil_pyg.datasets import TikTok
from soil_pyg.typing import INTERACTS, modalities_of


def test_tiktok(real_data: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = TikTok(real_data)
    data = dataset[0]
    assert repr(dataset) == "TikTok('tiktok')"
    assert (data["user"].num_nodes, data["item"].num_nodes) == (9_298, 6_710)
    assert data.num_dropped_users == 10
    assert data[INTERACTS].edge_index.shape == (2, 59_541)
    # Of the published 3,051 and 6,130 pairs 10 belong to the users that are dropped.
    assert data[INTERACTS].val_edge_label_index.shape == (2, 3_046)
    assert data[INTERACTS].test_edge_label_index.shape == (2, 6_125)
    assert modalities_of(data) == ["audio", "image"]


def test_interactions_alone_are_enough(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "tiktok").mkdir()
    shutil.copy(real_data / "tiktok" / "tiktok.inter", tmp_path / "tiktok")
    data = TikTok(tmp_path)[0]
    assert data["item"].num_nodes == 6_710
    assert modalities_of(data) == []


def test_exchanged_validation_and_test_pairs_are_refused(real_data: Path, tmp_path: Path) -> None:
    lines = (real_data / "tiktok" / "tiktok.inter").read_text().splitlines()
    swap = {"0": "0", "1": "2", "2": "1"}
    (tmp_path / "tiktok").mkdir()
    text = "\n".join([lines[0], *(line[:-1] + swap[line[-1]] for line in lines[1:])])
    (tmp_path / "tiktok" / "tiktok.inter").write_text(text)
    message = "6,130 val pairs instead of 3,051, 3,051 test pairs instead of 6,130"
    with pytest.raises(ValueError, match=message):
        TikTok(tmp_path)


def test_exchanged_modalities_are_noticed(real_data: Path, tmp_path: Path) -> None:
    shutil.copytree(real_data / "tiktok", tmp_path / "tiktok", copy_function=shutil.copyfile)
    (tmp_path / "tiktok").chmod(0o755)
    audio = np.load(tmp_path / "tiktok" / "audio_feat.npy")
    np.save(tmp_path / "tiktok" / "audio_feat.npy", audio.astype(np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TikTok(tmp_path)
    np.save(tmp_path / "tiktok" / "image_feat.npy", audio)
    with pytest.warns(UserWarning, match=r"image_feat\.npy"):
        TikTok(tmp_path)
    (tmp_path / "tiktok" / "image_feat.npy").write_bytes(b"junk")
    with pytest.raises(ValueError, match=r"image_feat\.npy (?!.*unsafely)"):
        TikTok(tmp_path)


def test_missing_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"tiktok\.inter") as info:
        TikTok(tmp_path)
    assert "https://github.com/HKUDS/DiffMM" in str(info.value)
    assert "0 for trnMat, 1 for valMat or 2 for tstMat" in str(info.value)


def test_the_default_root_is_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"^data.tiktok.tiktok\.inter"):
        TikTok()
