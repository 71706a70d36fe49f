import json
from pathlib import Path

import pytest

import run
from soil_bench.speed import index_race
from soil_bench.speed.index_race import entries

pytest.importorskip("faiss")


@pytest.mark.slow
def test_from_the_arguments_to_the_table(
    calls: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = [("FAISS IVF,Flat", [4]), ("FAISS IVF,Flat list by list", [4])]
    monkeypatch.setattr(index_race, "entries", lambda num_items: few)
    out = tmp_path / "out"
    arguments = ["indexes", "--items", "300", "--channels", "8", "--out", str(out)]
    arguments += ["--root", str(tmp_path), "--recalls", "0.9"]
    assert run.main(arguments) == 0
    # The features of posters are not at hand.
    assert calls == ["draw_vectors", "race", "race"] * 2
    record = json.loads((out / "indexes.json").read_text())
    assert [case["source"] for case in record["cases"]] == ["mixture", "styles"]
    assert [r["contestant"] for r in record["cases"][0]["results"]] == [name for name, _ in few]
    assert "FAISS IVF,Flat list by list (4)" in capsys.readouterr().out
    assert run.main(arguments) == 0
    assert calls == ["draw_vectors", "race", "race"] * 2


def test_numbers_of_lists() -> None:
    found = [settings[0] for name, settings in entries(1_000_000) if "list by list" in name]
    assert found == [1024, 2048, 4096]
