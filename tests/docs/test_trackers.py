"""The recipes of the page on trackers, run where the trackers are installed."""

import re
import textwrap
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "trackers.rst"
BLOCK = re.compile(
    r"^\.\. code-block:: python\n(?:   :caption: (\S+)\n)?\n((?:   .*\n|\n)+)", re.MULTILINE
)


def run_recipe(name: str) -> None:
    blocks = dict(BLOCK.findall(PAGE.read_text("utf-8")))
    code = textwrap.dedent(blocks[""]) + textwrap.dedent(blocks[name])
    exec(compile(code, PAGE.name, "exec"), {})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_mlflow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((folder / "mlruns").as_uri())
    run_recipe("mlflow")
    (found,) = folder.glob("mlruns/*/*/metrics/val/recall_at_20")
    assert len(found.read_text().splitlines()) == 3
    (size,) = folder.glob("mlruns/*/*/params/hidden_channels")
    assert size.read_text() == "16"


def test_wandb(folder: Path) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    run_recipe("wandb")
    (found,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    assert b"val/recall@20" in found.read_bytes()
