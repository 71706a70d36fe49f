import json
from pathlib import Path

import pytest

import run
from soil_bench.speed.limit import limit_lines


def test_both_ways_are_measured_at_each_size(
    calls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("faiss")
    arguments = ["limit", "--items", "600", "300", "--out", str(tmp_path)]
    assert run.main(arguments) == 0
    assert calls == ["draw_structured", "build_fast", "build_fast"] * 2
    record = json.loads((tmp_path / "limit.json").read_text())
    assert [row["items"] for row in record["rows"]] == [300, 600]
    for row in record["rows"]:
        assert row["exact"]["size"] == row["index"]["size"]
        assert {found["index"] for found in row["exact"]["search"].values()} == {"Flat"}
        engines = {found["engine"] for found in row["index"]["search"].values()}
        assert "faiss" in engines
    assert "exact / index" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
    assert run.main(arguments) == 0
    assert len(calls) == 6


def test_lines_of_the_page() -> None:
    exact = {"seconds": 8.0, "peak_rss_mb": 1500.0, "search": {}}
    index = {"seconds": 2.0, "peak_rss_mb": 900.4, "name": "IVF128,Flat"}
    index["search"] = {"a": {"recall": 0.97}, "b": {"recall": 0.951}}
    lines = limit_lines(
        {"channels": {"image": 4}, "rows": [{"items": 4096, "exact": exact, "index": index}]}
    )
    assert "| 4,096 | 8 | 2 | 4.00 | IVF128,Flat | 0.951 | 1,500 | 900 |" in lines
