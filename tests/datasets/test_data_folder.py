import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.datasets.data_folder import (
    load_data_folder,
    load_description,
    load_item_table,
    new_folder,
    save_data_folder,
)

ITEMS = pd.DataFrame({"item": ["tea", "rum"], "title": ["Green tea", None]})


def write(folder: Path, items: pd.DataFrame | None = ITEMS) -> Path:
    data = HeteroData()
    data["item"].id = np.array(["tea", "rum"])
    data["item"].x_image = torch.tensor([[1.0], [0.0]])
    data.name, data.digest = "bar", "123"
    with new_folder(folder) as temporary:
        save_data_folder(temporary, data, items, {"name": "bar"})
    return folder


def test_what_was_written_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "a" / "DATA")
    data = load_data_folder(folder)
    assert data["item"].id.tolist() == ["tea", "rum"]
    assert data["item"].x_image.tolist() == [[1.0], [0.0]]
    assert data.digest == "123"
    items = load_item_table(str(folder))
    assert items is not None
    assert items["item"].tolist() == ["tea", "rum"]
    assert items["title"].isna().tolist() == [False, True]
    description = load_description(folder)
    assert description["format"] == 1
    assert description["name"] == "bar"
    assert description["versions"]["soil_pyg"] == soil_pyg.__version__
    assert sorted(path.name for path in folder.iterdir()) == [
        *("data.safetensors", "items.parquet", "prepare.json")
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["DATA"]
    assert load_item_table(write(tmp_path / "b", None)) is None


def test_the_package_has_the_functions_and_the_modules() -> None:
    import soil_pyg.prepare as prepare

    assert soil_pyg.load_data_folder is load_data_folder
    assert prepare is soil_pyg.prepare
    assert prepare.__name__ == "prepare"
    assert callable(prepare)
    with pytest.raises(AttributeError, match="module 'soil_pyg' has no attribute 'nothing'"):
        _ = soil_pyg.nothing  # type: ignore[attr-defined]


def test_folders_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"The data folder '.*no' does not exist: check"):
        load_data_folder(tmp_path / "no")
    with pytest.raises(FileNotFoundError, match=r"has no prepare\.json: prepare the data there"):
        load_data_folder(tmp_path)
    cases: list[tuple[str, Any, str]] = [
        ("data.safetensors", None, r"has no data\.safetensors: prepare the data again"),
        ("data.safetensors", "x", r"data\.safetensors' is not the file that was written with"),
        ("prepare.json", "{", r"prepare\.json' is corrupt: prepare the data again"),
        ("prepare.json", "[]", r"prepare\.json' is corrupt"),
        ("prepare.json", '{"format": 2, "files": {}}', r"must have format 1 \(got 2\): prepare"),
    ]
    for number, (name, content, message) in enumerate(cases):
        folder = write(tmp_path / str(number))
        (folder / name).unlink()
        if content is not None:
            (folder / name).write_text(content)
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            load_data_folder(folder)
    folder = write(tmp_path / "items")
    (folder / "items.parquet").write_text("no")
    assert load_data_folder(folder).name == "bar"
    with pytest.raises(ValueError, match=r"items\.parquet' is not the file that was written"):
        load_item_table(folder)


def test_only_a_data_folder_is_replaced_and_only_if_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x.txt").touch()
    (tmp_path / "empty").mkdir()
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="file' is a file: choose another folder"):
            new_folder(tmp_path / "file", overwrite).__enter__()
        with pytest.raises(ValueError, match=r"full' holds other files \(x\.txt\): choose an emp"):
            new_folder(tmp_path / "full", overwrite).__enter__()
    folder = write(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"holds prepared data: .* 'overwrite' \(--overwrite\)"):
        new_folder(folder, overwrite=False).__enter__()
    with pytest.raises(ValueError, match=r"holds prepared data: choose another folder$"):
        write(folder)
    with new_folder(folder, overwrite=True) as temporary:
        (temporary / "prepare.json").write_text(json.dumps({"format": 1, "files": {}, "n": 1}))
    assert load_description(folder)["n"] == 1
    assert [path.name for path in folder.iterdir()] == ["prepare.json"]
    (folder / "run").mkdir()
    with pytest.raises(ValueError, match=r"holds other files \(run\)"):
        new_folder(folder, overwrite=True).__enter__()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "full"]


@pytest.mark.parametrize("is_there", [False, True])
def test_nothing_is_left_of_what_fails(is_there: bool, tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "DATA"
    if is_there:
        write(out)

    def fail() -> None:
        with new_folder(out, overwrite=True) as temporary:
            (temporary / "half").touch()
            raise OSError(errno.ENOSPC, "No space left on device", str(temporary / "half"))

    with pytest.raises(OSError, match="No space") as error:
        fail()
    assert error.value.filename == str(out)
    if is_there:
        assert load_data_folder(out).name == "bar"
        assert [path.name for path in out.parent.iterdir()] == ["DATA"]
    else:
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    def write_meanwhile() -> None:
        with new_folder(tmp_path / "x"):
            (tmp_path / "x").mkdir()
            (tmp_path / "x" / "file").touch()

    with pytest.raises(ValueError, match="holds other files"):
        write_meanwhile()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_the_old_folder_comes_back_if_the_new_one_cannot_be_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "x")
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.suffix == ".tmp":
            raise OSError(errno.EACCES, "Permission denied", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(PermissionError), new_folder(folder, overwrite=True):
        pass
    assert load_data_folder(folder).name == "bar"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
