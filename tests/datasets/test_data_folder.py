import json
from collections.abc import Callable
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


def test_a_folder_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(Path("~/DATA"))
    assert load_data_folder(tmp_path / "DATA").name == "bar"


def test_the_package_has_the_functions() -> None:
    from soil_pyg.workflow.prepare import prepare

    assert soil_pyg.load_data_folder is load_data_folder
    assert soil_pyg.prepare is prepare
    with pytest.raises(AttributeError, match=r"'soil_pyg' .*'nothing'"):
        _ = soil_pyg.nothing


def test_folders_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"'{tmp_path / 'no'}'"):
        load_data_folder(tmp_path / "no")
    with pytest.raises(FileNotFoundError, match=rf"'{tmp_path}' .*prepare\.json"):
        load_data_folder(tmp_path)
    cases: list[tuple[str, Any, str]] = [
        ("data.safetensors", None, r"data\.safetensors: prepare the data again"),
        ("data.safetensors", "x", r"data\.safetensors' .*prepare the data again.*--overwrite"),
        ("prepare.json", "{", r"prepare\.json' .*prepare the data again"),
        ("prepare.json", "[]", r"prepare\.json' .*prepare the data again"),
        ("prepare.json", '{"format": 2, "files": {}}', r"prepare\.json' .* 1 \(got 2\): prepare"),
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
    with pytest.raises(ValueError, match=r"items\.parquet'"):
        load_item_table(folder)


def test_only_a_data_folder_is_replaced_and_only_if_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x.txt").touch()
    (tmp_path / "empty").mkdir()
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r"file' .*another folder"):
            new_folder(tmp_path / "file", overwrite).__enter__()
        with pytest.raises(ValueError, match=r"full' .*\(x\.txt\)"):
            new_folder(tmp_path / "full", overwrite).__enter__()
    folder = write(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"empty' .*'overwrite' \(--overwrite\)"):
        new_folder(folder, overwrite=False).__enter__()
    with pytest.raises(ValueError, match=r"empty' .*another folder$"):
        write(folder)
    with new_folder(folder, overwrite=True) as temporary:
        files = {"data.safetensors": "0" * 64}
        (temporary / "prepare.json").write_text(json.dumps({"format": 1, "files": files, "n": 1}))
    assert load_description(folder)["n"] == 1
    assert [path.name for path in folder.iterdir()] == ["prepare.json"]
    (folder / "run").mkdir()
    with pytest.raises(ValueError, match=r"empty' .*\(run\)"):
        new_folder(folder, overwrite=True).__enter__()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "full"]


def test_a_folder_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    def write_meanwhile() -> None:
        with new_folder(tmp_path / "x"):
            (tmp_path / "x").mkdir()
            (tmp_path / "x" / "file").touch()

    with pytest.raises(ValueError, match=r"x' .*\(file\)"):
        write_meanwhile()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda data: data["user", "interacts", "item"].edge_index.fill_(9), "node 9"),
        (lambda data: data["user", "interacts", "item"].edge_index.fill_(-1), "node -1"),
        (lambda data: data["item"].update(id=np.array(["a"])), "'id' of 'item'"),
        (lambda data: data["item"].update(x_image=torch.ones(5, 2)), "'x_image' of 'item'"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(
    change: Callable[[HeteroData], object], named: str, tmp_path: Path
) -> None:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 2, 3
    data["item"].id = np.array(["tea", "rum", "gin"])
    data["user", "interacts", "item"].edge_index = torch.tensor([[0, 1], [2, 0]])
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
        save_data_folder(tmp_path / name, data, None, {})
        change(data)
    assert load_data_folder(tmp_path / "right")["item"].num_nodes == 3
    with pytest.raises(ValueError, match=rf"data\.safetensors'.*{named}.*--overwrite"):
        load_data_folder(tmp_path / "wrong")
