import contextlib
import errno
import json
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData

from soil_pyg.datasets.storage import FORMAT, FORMER, load_data, save_data


class Exploit:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.path}'",)


def test_every_kind_of_value_comes_back(tmp_path: Path) -> None:
    data = HeteroData()
    data.name, data.count, data.rate, data.flag = "toy", 3, 0.5, True
    data.table = {"a": [1, "b", None]}
    data.scalar = torch.tensor(2.5)
    data["user"].num_nodes = 2
    data["user"].id = np.array(["ärzte", "b", ""])
    data["item"].id = np.array([5, 7], dtype=np.int64)
    data["item"].x = torch.tensor([[1.5, -2.0]], dtype=torch.bfloat16)
    data["item"].empty = torch.zeros(0, 4)
    data["item"].no_id = np.array([], dtype=str)
    edge = ("user", "interacts", "item")
    data[edge].edge_index = torch.tensor([[0, 1], [1, 0]])
    data[edge].mask = torch.tensor([True, False])
    data["lonely"]  # a node type without attributes
    save_data(data, tmp_path / "sub" / "data.safetensors")
    loaded = load_data(tmp_path / "sub" / "data.safetensors")

    assert (loaded.name, loaded.count, loaded.rate) == ("toy", 3, 0.5)
    assert loaded.flag is True
    assert loaded.table == {"a": [1, "b", None]}
    assert loaded.scalar.item() == 2.5
    assert loaded.node_types == ["user", "item", "lonely"]
    assert loaded.edge_types == [edge]
    assert loaded["user"].num_nodes == 2
    assert loaded["user"].id.tolist() == ["ärzte", "b", ""]
    assert loaded["user"].id.dtype == np.dtype("<U5")
    assert loaded["item"].id.tolist() == [5, 7]
    assert loaded["item"].id.dtype == np.int64
    assert loaded["item"].x.dtype == torch.bfloat16
    assert loaded["item"].x.tolist() == [[1.5, -2.0]]
    assert loaded["item"].empty.shape == (0, 4)
    assert loaded["item"].no_id.shape == (0,)
    assert loaded[edge].edge_index.tolist() == [[0, 1], [1, 0]]
    assert loaded[edge].mask.tolist() == [True, False]
    assert list(loaded["item"].keys()) == ["id", "x", "empty", "no_id"]
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["data.safetensors"]


def test_views_and_shared_memory_are_stored(tmp_path: Path) -> None:
    data = HeteroData()
    base = torch.arange(6)
    data["item"].all, data["item"].again, data["item"].some = base, base, base[2:4]
    data["item"].transposed = base.view(2, 3).t()
    save_data(data, tmp_path / "data")
    loaded = load_data(tmp_path / "data")
    assert loaded["item"].again.tolist() == [0, 1, 2, 3, 4, 5]
    assert loaded["item"].some.tolist() == [2, 3]
    assert loaded["item"].transposed.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert (tmp_path / "data").stat().st_size < 2000


def test_numpy_numbers_become_plain_ones(tmp_path: Path) -> None:
    data = HeteroData(count=np.int64(3), rate=np.float32(0.5))
    save_data(data, tmp_path / "data")
    loaded = load_data(tmp_path / "data")
    assert (loaded.count, type(loaded.count)) == (3, int)
    assert (loaded.rate, type(loaded.rate)) == (0.5, float)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.eye(2).to_sparse(), "Tensor .*torch.sparse_coo"),
        (EdgeIndex([[0], [1]]), "EdgeIndex"),
        (torch.zeros(1, dtype=torch.complex128), "torch.complex128"),
        (np.array([{}]), "array of object"),
        (np.zeros(1, dtype=">f4"), "array of >f4"),
        (lambda: None, "function"),
        ((1, 2), "tuple"),
        ({1: 2}, "dict"),
    ],
)
def test_what_cannot_be_stored_is_named(tmp_path: Path, value: object, message: str) -> None:
    data = HeteroData()
    data["item"].fine = torch.ones(1)
    for store, where in (
        (data["item", "to", "item"], "data[('item', 'to', 'item')]"),
        (data["item"], "data['item']"),
        (data, "the data"),
    ):
        store.odd = value
        with pytest.raises(TypeError, match=f"'odd' of {re.escape(where)}: .*{message}"):
            save_data(data, tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data"
    save_data(HeteroData(count=1), path)

    def fail(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left (os error 28)")

    monkeypatch.setattr("soil_pyg.datasets.storage.safetensors.torch.save_file", fail)
    with pytest.raises(OSError, match="No space left on device") as error:
        save_data(HeteroData(count=2), path)
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(path))
    assert list(tmp_path.iterdir()) == [path]
    assert load_data(path).count == 1


def test_a_pickle_is_refused_and_not_executed(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    (tmp_path / "plain").write_bytes(pickle.dumps(Exploit(trace)))
    torch.save(Exploit(trace), tmp_path / "torch")
    for name in ("plain", "torch"):
        with pytest.raises(ValueError, match=str(tmp_path / name)):
            load_data(tmp_path / name)
    assert not trace.exists()
    pickle.loads((tmp_path / "plain").read_bytes())  # noqa: S301 (shows that the exploit works)
    assert trace.exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    tensors = {"0": torch.ones(1)}
    save_file(tensors, tmp_path / "foreign")
    save_file(tensors, tmp_path / "old", {"older": "[]"})
    save_file(tensors, tmp_path / "broken", {FORMAT: "[1]"})
    for name, message in {
        "foreign": FORMAT,
        "old": FORMAT,
        "broken": "stores",
    }.items():
        with pytest.raises(ValueError, match=f"'{tmp_path / name}' .*{message}"):
            load_data(tmp_path / name)
    save_data(HeteroData(x=torch.ones(100)), tmp_path / "data")
    (tmp_path / "data").write_bytes((tmp_path / "data").read_bytes()[:-50])
    with pytest.raises(ValueError, match=str(tmp_path / "data")):
        load_data(tmp_path / "data")


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, HeteroData]:
    data = HeteroData(name="x", none=float("nan"))
    data["item"].x = torch.arange(6.0).view(2, 3)
    data["item"].id = np.array(["tea", "mil"])
    save_data(data, tmp_path / "data")
    return tmp_path / "data", data


def same(data: HeteroData, other: HeteroData) -> bool:
    return repr(data.to_dict()) == repr(other.to_dict())


def test_no_flipped_bit_goes_unnoticed(stored: tuple[Path, HeteroData]) -> None:
    path, data = stored
    content = path.read_bytes()
    assert same(load_data(path), data)
    for bit in range(0, 8 * len(content), 61):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        # The same number may be written in two ways.
        with contextlib.suppress(ValueError):
            assert same(load_data(path), data)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(stored: tuple[Path, HeteroData], share: float) -> None:
    path, _ = stored
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=str(path)):
        load_data(path)


def test_files_of_the_former_format_are_read(stored: tuple[Path, HeteroData]) -> None:
    path, data = stored
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()[FORMAT])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {FORMER: json.dumps(header["stores"])})
    assert same(load_data(path), data)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 200_000, "nested"),
        ("{}", "stores"),
        ("null", "input"),
        ('{"stores": [], "stores": []}', "twice"),
        ('{"stores": [{"type": null, "attributes": {"x": {"tensor": "none"}}}]}', "none"),
        ('{"stores": [{"type": null, "attributes": {"x": {"exec": "none"}}}]}', "attributes.x"),
        ('{"stores": [{"type": ["a"], "attributes": {}}]}', "type"),
        (
            '{"stores": [{"type": null, "attributes": {"x": {"strings": "0", "dtype": "|O", '
            '"shape": [1]}}}]}',
            "attributes.x",
        ),
        (
            '{"stores": [{"type": null, "attributes": {"x": {"strings": "0", "dtype": '
            '"<U999999999", "shape": [1]}}}]}',
            "U999999999",
        ),
    ],
)
def test_a_header_of_another_form_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    save_file({"0": torch.ones(1)}, tmp_path / "data", {FORMAT: text})
    with pytest.raises(ValueError, match=f"data'.*{reason}"):
        load_data(tmp_path / "data")


@pytest.mark.parametrize("texts", [["tea", "", "caff\u00e8", "x" * 1000], [], ["\U0001f35b"]])
def test_texts_of_any_length(texts: list[str], tmp_path: Path) -> None:
    data = HeteroData()
    data["item"].id = np.array(texts, dtype=object)
    data["item"].other = np.array(texts, dtype=object)
    save_data(data, tmp_path / "x.safetensors")
    loaded = load_data(tmp_path / "x.safetensors")
    for name in ("id", "other"):
        assert loaded["item"][name].dtype == object
        assert loaded["item"][name].tolist() == texts
    data["item"].id = np.array([*texts, None], dtype=object)
    with pytest.raises(TypeError, match=r"'id' of data\['item'\]: .*object"):
        save_data(data, tmp_path / "x.safetensors")
