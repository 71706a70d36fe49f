import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from soil_bench.paper.command import main
from soil_bench.paper.table3 import PARTS, ROWS, variant
from soil_bench.runs.results import read_records
from soil_pyg.configs import load_config

OFF = {"second_order": False, "interest": False, "l_ui": 0.0, "l_ii": 0.0}


def test_parts_are_left_out_by_their_options() -> None:
    options = [variant(parts, "paper").options for parts, _ in ROWS]
    assert options == [
        OFF,
        {"second_order": False, "interest": False},
        {"l_ui": 0.0, "l_ii": 0.0},
        {"l_ii": 0.0},
        {"interest": False},
        {"second_order": False},
        {},
    ]
    assert variant(PARTS, "paper").profile == "paper"


def test_published_values() -> None:
    for parts, published in ROWS:
        assert set(published) == {"baby", "sports", "clothing"}, parts
    for dataset, values in load_config("soil").published.items():
        assert ROWS[-1][1].get(dataset, values["recall@20"]) == values["recall@20"]


def test_table(
    root: Path,
    tmp_path: Path,
    drawn_runs: Callable[[dict[str, Any]], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(ROWS[0][1], "tiny", 0.1)
    given = ["--dataset", "tiny", "--root", str(root), "--device", "cpu", "--out", str(tmp_path)]
    assert main(["table3", *given, "--seeds", "2"]) == 0
    table = pd.read_csv(tmp_path / "paper" / "table3-tiny.csv")
    assert table[PARTS].sum(axis=1).tolist() == [0, 2, 2, 3, 3, 3, 4]
    assert table["recall@20 published"].tolist()[0] == 0.1
    assert table["recall@20 published"][1:].isna().all()

    def recalls(row: pd.Series) -> list[float]:
        """Recall@20 of the finished runs with the parts of a row, by seed."""
        runs = []
        for run in read_records(tmp_path / "results.jsonl").values():
            settings = run["settings"]
            present = [settings["second_order"], settings["interest"]]
            present += [settings["l_ui"] > 0, settings["l_ii"] > 0]
            if present == row[PARTS].tolist():
                runs.append((run["seed"], run["test"]["recall@20"]))
        return [recall for _, recall in sorted(runs)]

    record = json.loads((tmp_path / "records" / "table3-tiny.json").read_text())
    whole = np.array(recalls(table.iloc[-1]))
    for (_, row), stored in zip(table.iterrows(), record["rows"], strict=True):
        values = np.array(recalls(row))
        assert len(values) == 2
        assert stored["test"]["recall@20"] == values.tolist()
        assert row["recall@20"] == pytest.approx(values.mean(), rel=1e-5)
        assert row["recall@20 std"] == pytest.approx(values.std(ddof=1), rel=1e-5)
        difference = stored["difference"]
        assert difference["difference"] == pytest.approx((values - whole).mean())
        # Of two values the standard error is half their distance.
        error = abs(np.diff(values - whole)[0]) / 2
        assert difference["standard_error"] == pytest.approx(error)
        assert row["recall@20 standard_error to all"] == pytest.approx(error, rel=1e-4)
    assert "SOIL (released) with some of its parts on tiny" in capsys.readouterr().out
