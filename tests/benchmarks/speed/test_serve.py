import json
import sys
from pathlib import Path
from typing import Any

import pytest

import run
from soil_bench.speed.serve_report import serve_lines

LOAD = {
    "connections": 8,
    "requests_per_second": 512.4,
    "p50_ms": 1.55,
    "p99_ms": 20.0,
    "failures": 0,
}
RECORD: dict[str, Any] = {
    "dataset": "ml1m",
    "model": "lightgcn",
    "k": 10,
    "cores": 2,
    "load_before": 3.04,
    "client": "wrk",
    "seconds": 5,
    "workers": [
        {
            "workers": 1,
            "loads": [LOAD | {"cpu_ms": 1.234}],
            "memory_mb": {"pss": 400.4, "rss": 500.0},
        },
        {"workers": 4, "loads": [LOAD], "memory_mb": {}},
    ],
    "changes": {"connections": 8, "changes": 3, "requests": 3156, "failures": 0, "p99_ms": 124.0},
    "malformed": {"requests": 10000, "failed": 0, "by_status": {"400": 9000, "404": 1000}},
}


def test_lines_of_the_page() -> None:
    text = "\n".join(serve_lines(RECORD))
    assert "| 1 | 8 | 512 | 1.6 | 20.0 | 1.23 | 0 |" in text
    assert "| 4 | 8 | 512 | 1.6 | 20.0 | - | 0 |" in text
    assert "| 1 | 400 | 500 |" in text
    assert "0 of 3,156 requests failed" in text
    assert "10,000 malformed requests: 0 answers of 500 or more (9,000 x 400, 1,000 x 404" in text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_server_under_load(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    where = ["--dataset", "tiny", "--root", str(root), "--out", str(out)]
    sizes = ["--workers", "2", "--connections", "2", "--seconds", "1", "--malformed", "300"]
    assert run.main(["serve", *where, *sizes]) == 0
    record = json.loads((out / "serve.json").read_text())
    (row,) = record["workers"]
    assert row["loads"][0]["requests_per_second"] > 0
    assert row["loads"][0]["failures"] == record["changes"]["failures"] == 0
    assert record["changes"]["answers_to_one_user"] == 2
    assert record["malformed"]["failed"] == 0
    assert row["memory_mb"]["rss"] > row["memory_mb"]["pss"] > 0
    assert [path.name for path in out.iterdir()] == ["serve.json"]
