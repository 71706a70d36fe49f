import json
from pathlib import Path
from typing import Any

import pytest

from soil_bench.pages.learning_rates import learning_rates_section


def write_search(folder: Path, model: str, dataset: str, values: list[Any], **changes: Any) -> None:
    trials = [
        {"state": "complete", "epochs": 10, "value": value, "settings": {"lr": rate}}
        for rate, value in values
    ]
    record = {"model": model, "profile": None, "dataset": dataset, "seeds": 3, "trials": trials}
    (folder / f"tuned-{dataset}-{model}.json").write_text(json.dumps(record | changes))


def rows_of(folder: Path) -> list[list[str]]:
    (section,) = learning_rates_section(folder)
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if "|" in line]
    return [cells for cells in lines if "---" not in cells[0]]


def test_the_best_trial_of_each_rate_counts(tmp_path: Path) -> None:
    first = [(0.001, 0.1), (0.001, 0.2), (0.002, 0.16), (0.002, 0.1), (0.005, 0.1)]
    write_search(tmp_path, "bpr", "mls", first + [(0.001, 0.0)] * 3)
    write_search(tmp_path, "soil", "mls", [(0.002, 0.2)] * 7 + [(0.005, 0.15)], profile="best")
    last = [(0.001, 0.09), (0.002, 0.1), (0.005, 0.08)] + [(0.005, 0.0)] * 5
    write_search(tmp_path, "bpr", "ml1m_sparse", last)
    write_search(tmp_path, "sgl", "mls", [(0.001, 0.18), (0.002, 0.19)] + [(0.005, 0.2)] * 6)
    columns = [
        f"{name}, {rate}" for name in ("mls", "ml1m_sparse") for rate in (0.001, 0.002, 0.005)
    ]
    assert rows_of(tmp_path) == [
        ["system", *columns],
        ["bpr", "0.0", "20.0", "50.0", "10.0", "0.0", "20.0"],
        ["sgl", "10.0", "5.0", "0.0", "-", "-", "-"],
        ["soil best", "-", "0.0", "25.0", "-", "-", "-"],
        # SOIL did not draw all rates.
        ["mean", "5.0", "12.5", "25.0", "10.0", "0.0", "20.0"],
    ]


def test_searches_that_do_not_count(tmp_path: Path) -> None:
    assert learning_rates_section(tmp_path / "none") == []
    trials = [(0.001, 0.1)] * 8
    write_search(tmp_path, "bpr", "mls", trials[1:])
    write_search(tmp_path, "sgl", "mls", trials, seeds=1)
    write_search(tmp_path, "ngcf", "elsewhere", trials)
    write_search(tmp_path, "gume", "mls", trials)
    path = tmp_path / "tuned-mls-gume.json"
    path.write_text(path.read_text().replace('"epochs": 10', '"epochs": 0'))
    assert learning_rates_section(tmp_path) == []


def test_a_file_that_is_no_search_is_named(tmp_path: Path) -> None:
    write_search(tmp_path, "bpr", "mls", [("fast", 0.1)] * 8)
    with pytest.raises(ValueError, match=r"tuned-mls-bpr.json: not a record of 'run.py tune'"):
        learning_rates_section(tmp_path)
