import json
from pathlib import Path

import pytest

import run
from soil_bench.speed.steps import steps_lines

pytestmark = pytest.mark.usefixtures("small_rates")


def test_steps_of_two_models(
    root: Path, calls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--dataset", "tiny", "--root", str(root)]
    arguments = ["steps", "--models", "bpr,soil", *data, "--steps", "2", "--out", str(tmp_path)]
    assert run.main(arguments) == 0
    assert calls == ["train_steps"] * 2
    bpr, soil = json.loads((tmp_path / "steps.json").read_text())["rows"]
    assert (bpr["model"], soil["model"]) == ("bpr", "soil")
    assert "edge_bytes" not in bpr["amounts"]
    assert soil["amounts"]["edge_bytes"] > 0
    assert "flop" not in bpr["amounts"]
    assert soil["amounts"]["flop"] > 0
    # Both tables of BPR: each parameter is read and written with its moments.
    assert bpr["amounts"]["adam_bytes"] == 28 * 64 * (30 + 20)
    for row in (bpr, soil):
        assert row["roofline"] == pytest.approx(sum(row["parts"].values()))
        assert row["seconds"] > 0
    assert "ratio" in capsys.readouterr().out
    assert run.main(arguments) == 0
    assert len(calls) == 2


def test_lines_of_the_page() -> None:
    profile = {"step_ms": 8.0, "operations_ms": {"aten::mm": 4.0, "aten::exp": 2.0}}
    rows = [
        {"model": model, "seconds": seconds, "roofline": 0.004, "profile": profile, "parts": parts}
        for model, seconds, parts in (("a", 0.012, {"flop": 0.004}), ("b", 0.006, {"exp": 0.004}))
    ]
    lines = steps_lines({"dataset": "tiny", "rows": rows})
    assert lines[2].startswith(
        "| model | ms | roofline | ratio | products | exponentials | longest"
    )
    assert lines[4].startswith("| b | 6 | 4 | 1.5 | 0 | 4 | mm 50%, exp 25%")
    assert lines[5].startswith("| a | 12 | 4 | 3.0 | 4 | 0 |")


@pytest.mark.parametrize(
    ("argument", "value", "name"), [("--models", "nobody", "nobody"), ("--steps", "0", "--steps")]
)
def test_wrong_arguments(
    argument: str, value: str, name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run.main(["steps", argument, value, "--out", str(tmp_path / "out")]) == 2
    assert name in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
