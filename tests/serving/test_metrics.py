from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from soil_pyg.serving.metrics import SHARED_FOLDER, Metrics

mmap_dict = pytest.importorskip("prometheus_client.mmap_dict", reason="no extra 'serve'")


@pytest.fixture
def metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Metrics:
    """The metrics of a server with two workers."""
    link: Any = SimpleNamespace(current=SimpleNamespace(loaded=5.0), error=None)
    found = Metrics(link)
    monkeypatch.setenv(SHARED_FOLDER, str(tmp_path))
    for worker in (11, 12):
        file = mmap_dict.MmapedDict(str(tmp_path / f"gauge_livesum_{worker}.db"))
        key = mmap_dict.mmap_key("soil_pyg_workers", "soil_pyg_workers", [], [], "Running workers.")
        file.write_value(key, 1.0, 0.0)
        file.close()
    return found


def test_sums_of_workers(metrics: Metrics) -> None:
    assert b"soil_pyg_workers 2.0" in metrics.render()


def test_a_file_that_was_just_created_is_left_out(metrics: Metrics, tmp_path: Path) -> None:
    (tmp_path / "gauge_livesum_13.db").touch()
    assert b"soil_pyg_workers 2.0" in metrics.render()


def test_a_file_that_is_gone_is_left_out(
    metrics: Metrics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gauge_livesum_13.db"
    found = [*tmp_path.glob("*.db"), gone]
    monkeypatch.setattr(Path, "glob", lambda self, pattern: found)
    assert b"soil_pyg_workers 2.0" in metrics.render()
