from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.cli import main
from soil_pyg.datasets import MultimodalDataset
from soil_pyg.workflow.prepare import prepare


@pytest.fixture
def data(tmp_path: Path) -> str:
    frame = pd.DataFrame({"user": list("aaabbb"), "item": ["x", "y", "z"] * 2})
    prepare(frame, tmp_path / "DATA")
    return str(tmp_path / "DATA")


def test_data(data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", data, "--to", "mmrec", "--out", str(tmp_path / "bar")]) == 0
    assert MultimodalDataset(tmp_path, "bar")[0]["item"].num_nodes == 3
    assert main(["export", data, "--to", "hetero", "--out", str(tmp_path / "x.pt")]) == 0
    assert HeteroData.from_dict(torch.load(tmp_path / "x.pt"))["item"].id == ["x", "y", "z"]
    assert capsys.readouterr() == ("", "")


def test_embeddings_need_a_run(data: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    for to in ("parquet", "npy"):
        assert "run.json" in refused("export", data, "--to", to, "--out", tmp_path / "x")
    assert "--to: expected one of ['mmrec'" in refused("export", data, "--to", "csv", "--out", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["DATA"]


def test_data_formats_need_data(
    run_folder: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    for to in ("mmrec", "hetero"):
        line = refused("export", run_folder, "--to", to, "--out", tmp_path / "x.pt")
        assert f"'{run_folder}' is a run: give the data folder instead" in line
