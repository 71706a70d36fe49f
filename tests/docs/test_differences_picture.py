import json
import runpy
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the extra 'bench' is not installed")
DOCS = Path(__file__).parents[2] / "docs"
SCRIPT = runpy.run_path(str(DOCS / "differences_picture.py"))


def test_the_differences_are_those_of_the_record() -> None:
    record = json.loads((DOCS.parent / "benchmarks/records/fidelity-tiktok.json").read_text())
    found = SCRIPT["differences"]("tiktok", "released")
    row = next(row for row in record["rows"] if row["option"] == "contrast")
    assert found["contrast"][0] == row["differences"]["recall@20"]["difference"]
    assert list(found)[-1] == "all"
    assert {"weight_by_users", "min_weight"} < set(found)
    assert "floor" not in found


def test_the_picture_names_each_option(tmp_path: Path) -> None:
    SCRIPT["main"](tmp_path / "drawn.svg")
    drawn, stored = ((p).read_text() for p in (tmp_path / "drawn.svg", DOCS / "differences.svg"))
    for text in (*SCRIPT["differences"]("tiktok", "paper"), "tiktok", "synthetic"):
        assert f">{text}<" in drawn
        assert f">{text}<" in stored
