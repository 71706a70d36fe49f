import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soil_bench.pages import results
from soil_bench.pages.paper import paper_sections
from soil_bench.paper.command import main as paper
from soil_bench.studies.fidelity import main as fidelity

Draw = Callable[[dict[str, Any]], None]


def test_the_page_has_a_section_for_each_record(
    root: Path, tmp_path: Path, drawn_runs: Draw
) -> None:
    out = tmp_path / "out"
    data = ["--dataset", "tiny", "--root", str(root), "--device", "cpu", "--out", str(out)]
    data += ["--seeds", "2"]
    assert fidelity([*data, "--epochs", "4"]) == 0
    assert paper(["table3", *data]) == 0
    assert paper(["table2", *data, "--models", "soil,bpr"]) == 0
    sections = paper_sections(out / "records")
    titles = [section.splitlines()[0] for section in sections]
    assert titles == [
        "## All models: tiny",
        "## Ablation: tiny",
        "## Paper and released code: tiny",
    ]
    command = "Written by `python benchmarks/run.py paper table2 --dataset tiny --seeds 2 --models"
    assert f"{command} soil,bpr --profile released`. Data digest" in sections[0]
    assert "table3 --dataset tiny --seeds 2 --profile released`" in sections[1]
    assert "torch 2; date 2026-01-01 and 2026-01-02." in sections[0]
    assert "SOIL minus bpr, recall@20 over 30 users" in sections[0]
    assert "run.py fidelity --dataset tiny --seeds 2 --epochs 4`" in sections[2]
    assert results.other_sections(out / "records", tmp_path) == sections


def test_no_records(tmp_path: Path) -> None:
    assert paper_sections(tmp_path / "none") == []


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"dataset": "tiny", "rows": []})])
@pytest.mark.parametrize(
    ("name", "command"),
    [("table2", "paper table2"), ("table3", "paper table3"), ("fidelity", "fidelity")],
)
def test_a_broken_record_is_named(tmp_path: Path, name: str, command: str, content: str) -> None:
    (tmp_path / f"{name}-tiny.json").write_text(content)
    message = rf"{name}-tiny.json: not a record of 'run.py {command}'"
    with pytest.raises(ValueError, match=message):
        paper_sections(tmp_path)
