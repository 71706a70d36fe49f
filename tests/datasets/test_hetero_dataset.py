import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.data import Data, Dataset, HeteroData, InMemoryDataset
from torch_geometric.transforms import BaseTransform, Compose

from soil_pyg.datasets import HeteroDataset
from soil_pyg.datasets.storage import save_data


class Counting(HeteroDataset):
    """Counts how often it is read, and fails if PyG's own pickles are used."""

    def __init__(
        self, root: Path | None, value: int = 1, name: str = "toy", **options: Any
    ) -> None:
        self.value, self.num_reads = value, 0
        super().__init__(root, name, **options)

    def fingerprint(self) -> dict[str, Any]:
        return {"value": self.value}

    def read(self) -> HeteroData:
        self.num_reads += 1
        data = HeteroData()
        data["item"].x = torch.full((2, 2), float(self.value))
        return data


class Scale(BaseTransform):
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def forward(self, data: HeteroData) -> HeteroData:
        data["item"].x = data["item"].x * self.factor
        data["item", "near", "item"].edge_index = torch.tensor([[0], [1]])
        data["item", "near", "item"].edge_weight = torch.tensor([self.factor])
        return data


def test_it_is_an_in_memory_dataset_of_one(tmp_path: Path) -> None:
    dataset = Counting(tmp_path)
    assert isinstance(dataset, InMemoryDataset)
    assert len(dataset) == 1
    assert repr(dataset) == "Counting('toy')"
    assert [data["item"].x.tolist() for data in dataset] == [[[1.0, 1.0], [1.0, 1.0]]]
    assert (dataset[0].name, dataset[0].digest) == ("toy", dataset.digest)
    assert len(dataset.copy()) == 1


def test_a_missing_raw_file_is_named_and_no_folder_made(tmp_path: Path) -> None:
    class Raw(Counting):
        raw_file_names = ("a.csv", "b.csv")

    root = tmp_path / "root"
    with pytest.raises(FileNotFoundError, match=rf"{root}.*a\.csv.*b\.csv"):
        Raw(root)
    assert not root.exists()
    root.mkdir()
    for name in Raw.raw_file_names:
        (root / name).touch()
    assert Raw(root).num_reads == 1


def test_the_private_hooks_of_pyg_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_download", "_process"):
        monkeypatch.delattr(Dataset, name)
    assert [Counting(tmp_path).num_reads for _ in range(2)] == [1, 0]


def test_it_is_read_once_and_stored_without_pickles(tmp_path: Path) -> None:
    first, second = Counting(tmp_path), Counting(tmp_path)
    assert (first.num_reads, second.num_reads) == (1, 0)
    assert second[0]["item"].x.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / "processed" / f"{first.digest}.safetensors"]
    assert first.processed_paths == [str(files[0])]


def test_everything_that_shapes_the_data_has_a_file_of_its_own(tmp_path: Path) -> None:
    options: list[dict[str, Any]] = [
        {},
        {"value": 2},
        {"name": "other"},
        {"pre_transform": Scale(2.0)},
        {"pre_transform": Scale(3.0)},
        {"pre_transform": Compose([Scale(2.0)])},
    ]
    digests = {Counting(tmp_path, **option).digest for option in options}
    assert len(digests) == 6
    assert len(list((tmp_path / "processed").iterdir())) == 6
    assert [Counting(tmp_path, **option).num_reads for option in options] == [0] * 6


def test_transform_and_pre_transform(tmp_path: Path) -> None:
    for num_reads in (1, 0):
        dataset = Counting(tmp_path, transform=Scale(10.0), pre_transform=Scale(2.0))
        assert dataset.num_reads == num_reads
        for _ in range(2):
            assert dataset[0]["item"].x.tolist() == [[20.0, 20.0], [20.0, 20.0]]
            assert dataset[0]["item", "near", "item"].edge_weight.tolist() == [10.0]
        assert dataset._data["item", "near", "item"].edge_weight.tolist() == [2.0]


def test_what_a_function_makes_is_not_stored(tmp_path: Path) -> None:
    for factor in (2.0, 3.0):
        dataset = Counting(tmp_path, pre_transform=lambda data, f=factor: Scale(f)(data))
        assert dataset[0]["item"].x[0].tolist() == [factor, factor]
    assert list(tmp_path.iterdir()) == []


def test_force_reload(tmp_path: Path) -> None:
    assert Counting(tmp_path).num_reads == 1
    assert Counting(tmp_path, force_reload=True).num_reads == 1
    assert Counting(tmp_path).num_reads == 0


def test_without_a_root_nothing_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user_cache: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = Counting(None)
    assert dataset[0]["item"].x[0].tolist() == [1.0, 1.0]
    assert list(tmp_path.iterdir()) == list(user_cache.iterdir()) == []


def test_a_read_only_root_is_left_alone(tmp_path: Path, user_cache: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        dataset = Counting(tmp_path)
        assert Counting(tmp_path).num_reads == 0
        assert list(tmp_path.iterdir()) == []
    finally:
        tmp_path.chmod(0o755)
    expected = user_cache / "soil_pyg" / "toy" / f"{dataset.digest}.safetensors"
    assert [path for path in user_cache.rglob("*") if path.is_file()] == [expected]


def test_the_cache_is_in_the_home_folder_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, home = tmp_path / "root", tmp_path / "home"
    root.mkdir(mode=0o555)
    monkeypatch.setenv("HOME", str(home))
    for value in ("relative", None):
        if value is None:
            monkeypatch.delenv("XDG_CACHE_HOME")
        else:
            monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert Counting(root).processed_dir == str(home / ".cache" / "soil_pyg" / "toy")


def test_data_that_cannot_be_kept_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.warns(UserWarning, match="disk full"):
        dataset = Counting(tmp_path)
    assert dataset[0]["item"].x[0].tolist() == [1.0, 1.0]
    assert list((tmp_path / "processed").iterdir()) == []


class Exploit:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.path}'",)


@pytest.mark.parametrize(
    "write", [torch.save, lambda obj, f: Path(f).write_bytes(pickle.dumps(obj))]
)
def test_malicious_pickles_are_not_executed(
    tmp_path: Path, write: Callable[[object, Path], object]
) -> None:
    path = Path(Counting(tmp_path).processed_paths[0])
    trace = tmp_path / "executed"
    for name in (path.name, "pre_transform.pt", "pre_filter.pt", "data.pt"):
        write(Exploit(trace), path.with_name(name))
    dataset = Counting(tmp_path)
    assert not trace.exists()
    assert dataset.num_reads == 1
    assert dataset[0]["item"].x[0].tolist() == [1.0, 1.0]
    assert Counting(tmp_path).num_reads == 0
    with pytest.raises(ValueError, match=r"data\.pt"):
        dataset.load(str(path.with_name("data.pt")))
    assert not trace.exists()


def test_a_damaged_or_foreign_file_is_made_anew(tmp_path: Path) -> None:
    path = Path(Counting(tmp_path).processed_paths[0])
    content = path.read_bytes()
    path.write_bytes(content[:-8])
    assert Counting(tmp_path).num_reads == 1
    for data in (HeteroData(digest="other"), HeteroData()):
        save_data(data, path)
        assert Counting(tmp_path).num_reads == 1
    assert path.read_bytes() == content


def test_save_and_load_are_replaced(tmp_path: Path) -> None:
    dataset = Counting(tmp_path)
    path = str(tmp_path / "copy")
    dataset.save([dataset[0]], path)
    dataset.load(path)
    assert dataset[0]["item"].x.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert Path(path).read_bytes()[8:9] == b"{"  # the header of safetensors


def test_wrong_pre_transforms_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"'pre_transform' .*HeteroData \(got .*Data"):
        Counting(tmp_path, pre_transform=lambda data: Data())

    class Unstorable(BaseTransform):
        def forward(self, data: HeteroData) -> HeteroData:
            data["item"].graph = torch.eye(2).to_sparse()
            return data

    with pytest.raises(TypeError, match=r"'graph' of data\['item'\]"):
        Counting(tmp_path, pre_transform=Unstorable())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc"])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"'name' .*\(got '{name}'\)"):
        Counting(tmp_path, name=name)


SCRIPT = """
import sys, time
from pathlib import Path
from soil_pyg.datasets import MultimodalDataset

root = Path(sys.argv[1])
(root / f"ready{sys.argv[2]}").touch()
while len(list(root.glob("ready*"))) < 2:
    time.sleep(0.001)
for _ in range(10):
    data = MultimodalDataset(root, "toy", force_reload=True)[0]
    again = MultimodalDataset(root, "toy")[0]
    assert data["item"].x_image.sum().item() == again["item"].x_image.sum().item() == 40_000.0
"""


def test_two_processes_may_prepare_the_same_data(layout: Callable[..., Path]) -> None:
    root = layout(image=torch.ones(400, 100).numpy())
    command = [sys.executable, "-W", "error::UserWarning:soil_pyg", "-c", SCRIPT, str(root)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    runs = [
        subprocess.Popen([*command, str(i)], env=environment, stderr=subprocess.PIPE, text=True)
        for i in range(2)
    ]
    errors = [run.communicate(timeout=120)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], errors
    assert "Preparing" not in "".join(errors)
    assert len(list((root / "toy" / "processed").iterdir())) == 1
