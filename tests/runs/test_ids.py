import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg import recommend, train
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.runs.ids import load_ids, save_ids
from soil_pyg.runs.schema import FORMER_IDS, IDS
from soil_pyg.typing import ITEM, USER
from soil_pyg.utils.files import file_digest
from soil_pyg.utils.records import CHECKSUM, DamagedFileError, write_record


@pytest.mark.parametrize(
    "ids",
    [
        np.array([3, 1, 2]),
        np.array([3, 1], dtype=">i4"),
        np.array([1, 2], dtype=np.uint64),
        np.array([0.5, 1.5]),
        np.array([True, False]),
        np.array(["ü", "milk", ""]),
        np.array(["ü", "m" * 200], dtype=object),
        np.array(["ü", 5, 2.5], dtype=object),
        np.array([], dtype=np.int64),
    ],
    ids=str,
)
def test_ids_of_all_types_come_back(ids: np.ndarray, tmp_path: Path) -> None:
    other = np.array(["tea"])
    save_ids(tmp_path, {USER: ids, ITEM: other})
    found = load_ids(tmp_path / IDS)
    assert found[USER].dtype == ids.dtype.newbyteorder("=")
    assert found[USER].tolist() == ids.tolist()
    assert found[ITEM].tolist() == ["tea"]


def test_other_content_is_refused(tmp_path: Path) -> None:
    save_ids(tmp_path, {USER: np.array([1])})
    with pytest.raises(DamagedFileError, match=rf"{IDS}'.*'item'.*--overwrite"):
        load_ids(tmp_path / IDS)


def as_former(run: Path) -> None:
    """Rewrites a run as earlier versions wrote it."""
    ids = load_ids(run / IDS)
    stored = {name: {"dtype": a.dtype.str, "id": a.tolist()} for name, a in ids.items()}
    (run / FORMER_IDS).write_text(json.dumps(stored))
    (run / IDS).unlink()
    record = json.loads((run / "run.json").read_text())
    del record[CHECKSUM], record["files"][IDS]
    record["files"][FORMER_IDS] = file_digest(run / FORMER_IDS)
    write_record(run / "run.json", record)


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, HeteroData, dict[str, Any]]:
    data = SyntheticMultimodal(60, 40)[0]
    options = {"epochs": 1, "device": "cpu", "progress": False}
    train(data, tmp_path / "run", "bpr", **options)
    return tmp_path / "run", data, options


def test_runs_of_earlier_versions_are_read(run: Any) -> None:
    folder, data, options = run
    expected = recommend(folder, data=data, k=3)
    as_former(folder)
    assert recommend(folder, data=data, k=3).equals(expected)
    assert train(data, folder, "bpr", **options).epochs == 1
    assert (folder / FORMER_IDS).exists()
    train(data, folder, "bpr", **options, overwrite=True)
    assert (folder / IDS).exists()
    assert not (folder / FORMER_IDS).exists()


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"user": 3, "item": 4}'])
def test_damaged_ids_of_earlier_versions_are_refused(run: Any, content: bytes) -> None:
    folder, _, _ = run
    as_former(folder)
    (folder / FORMER_IDS).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{FORMER_IDS}'.*--overwrite"):
        soil_pyg.load(folder)
    with pytest.raises(DamagedFileError, match=rf"{FORMER_IDS}'.*--overwrite"):
        load_ids(folder / FORMER_IDS)
