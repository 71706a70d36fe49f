import json
from pathlib import Path

import pytest
import torch

import run
from soil_bench.speed import blocks
from soil_bench.speed.blocks import blocks_lines

SMALL = ["ray", "--users", "500", "--items", "200", "--memory-budget", "1000000"]


@pytest.mark.slow
def test_one_and_two_workers(
    calls: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (the extra 'ray')")
    # Measurements are known by the threads of the process, here that of the test.
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    arguments = [*SMALL, "--out", str(tmp_path)]
    assert run.main(arguments) == 0
    assert calls == ["make_run", *["rank"] * 4]
    record = json.loads((tmp_path / "ray.json").read_text())
    rows = record["rows"]
    assert [(row["engine"], row["workers"]) for row in rows] == [
        *(("local", 1), ("ray", 1), ("local", 2), ("ray", 2))
    ]
    assert {row["rows"] for row in rows} == {500 * 20}
    assert {row["blocks"] for row in rows} == {6}
    assert len({row["digest"] for row in rows}) == 1
    for row in rows:
        assert (row["worker_mb"] > 100) == (row["engine"] == "ray")
        assert row["total_mb"] > row["worker_mb"]
    assert "Ray" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
    assert run.main(arguments) == 0
    assert len(calls) == 5


def test_rows_that_differ_are_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(blocks, "require", lambda *arguments: None)
    digests = iter("aaba")
    monkeypatch.setattr(
        blocks.Measurements,
        "measure",
        lambda self, measurement, identity: {"rows": 1, "digest": next(digests)},
    )
    assert run.main([*SMALL, "--workers", "1", "2", "--out", str(tmp_path)]) == 1
    assert "differ" in capsys.readouterr().err
    assert not (tmp_path / "ray.json").exists()


def test_lines_of_the_page() -> None:
    values = {"start_seconds": 0.0, "peak_rss_mb": 500.4, "total_mb": 1234.5, "worker_mb": 321.0}
    values |= {"rows": 4000, "blocks": 3, "digest": "d"}
    rows = [
        {"engine": engine, "workers": workers, "seconds": seconds, **values}
        for engine, workers, seconds in (("local", 1, 6.0), ("ray", 1, 8.0), ("ray", 2, 4.0))
    ]
    sizes = {"users": 2000, "items": 1000, "channels": 64, "k": 20}
    lines = blocks_lines({**sizes, "rows": rows})
    assert lines[0] == "Recommendations by Ray, 2,000 users, 1,000 items:"
    assert "| one process | 1 | 0 | 6 | 1.00 | 500 |  | 1,234 |" in lines
    assert "| Ray | 2 | 0 | 4 | 2.00 | 500 | 321 | 1,234 |" in lines
    assert any("All 4,000 rows are the same, in 3 blocks" in line for line in lines)
    assert blocks_lines({**sizes, "rows": []})


def test_the_package_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run.main([*SMALL, "--out", str(tmp_path)]) == 2
    assert "soil-pyg[ray]" in capsys.readouterr().err
