import json
from pathlib import Path
from typing import Any

import pytest

from soil_bench.pages.coverage import SEARCHED, coverage_section
from soil_pyg.configs import available_configs, load_config


def write_search(folder: Path, model: str, dataset: str = "mls", **changes: Any) -> None:
    trials = [{"state": "complete", "epochs": 10} for _ in range(8)]
    record = {"model": model, "dataset": dataset, "seeds": 3, "trials": trials}
    record["winner"] = {"settings": {"lr": 0.002}}
    (folder / f"tuned-{dataset}-{model}.json").write_text(json.dumps(record | changes))


def run_of(model: str, lr: float, seconds: float, **settings: Any) -> dict[str, Any]:
    run = {"model": model, "dataset": "mls", "epochs": 20, "seed": 0}
    return run | {"settings": {"lr": lr, "reg": 0.0} | settings, "seconds": {"total": seconds}}


def rows_of(section: str) -> dict[str, list[str]]:
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if "|" in line]
    return {cells[0]: cells[1:] for cells in lines}


def test_it_counts_what_was_searched_and_names_the_rest(tmp_path: Path) -> None:
    write_search(tmp_path, "bpr")
    write_search(tmp_path, "sgl")
    runs = [run_of("bpr", 0.002, 60), run_of("bpr", 0.001, 999), run_of("sgl", 0.002, 600)]
    # Only the last of equal runs counts, and none on another device.
    runs = [run_of("bpr", 0.002, 7), *runs, run_of("bpr", 0.002, 9, device="cuda")]
    section = coverage_section(tmp_path, runs)
    rows = rows_of(section)
    systems = [name for name in available_configs() if load_config(name).search]
    assert "popularity" not in systems
    # 20 epochs in 60 s, and 80 epochs of trials at the same rate: 5 minutes; ten times that.
    searched, minutes, missing = rows["mls"]
    assert (searched, minutes) == (f"2 of {len(systems)}", "28 (5 to 50)")
    assert missing.split(", ") == [name for name in systems if name not in {"bpr", "sgl"}]
    for dataset in set(SEARCHED) - {"mls"}:
        assert rows[dataset] == [f"0 of {len(systems)}", "-", "all"]
    commands = [line for line in section.splitlines() if line.startswith("$ ")]
    assert [f"--dataset {name} " in line for name, line in zip(SEARCHED, commands, strict=True)]
    assert missing.replace(", ", ",") in commands[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": 1},
        {"trials": [{"state": "complete", "epochs": 10}] * 7},
        {"trials": [{"state": "complete", "epochs": 10}] * 7 + [{"state": "pruned", "epochs": 2}]},
    ],
)
def test_a_lesser_search_does_not_count(tmp_path: Path, changes: dict[str, Any]) -> None:
    write_search(tmp_path, "bpr", **changes)
    assert coverage_section(tmp_path, []) == ""
    write_search(tmp_path, "sgl")
    assert rows_of(coverage_section(tmp_path, []))["mls"][0].startswith("1 of")


def test_nothing_is_left_to_search(tmp_path: Path) -> None:
    assert coverage_section(tmp_path / "none", []) == ""
    for dataset in SEARCHED:
        for model in available_configs():
            write_search(tmp_path, model, dataset)
    section = coverage_section(tmp_path, [])
    assert [row[2] for name, row in rows_of(section).items() if name in SEARCHED] == ["none"] * 3
    assert "$" not in section


def test_a_file_that_is_no_search_is_named(tmp_path: Path) -> None:
    (tmp_path / "tuned-mls-bpr.json").write_text("[]")
    with pytest.raises(ValueError, match=r"tuned-mls-bpr.json: not a record of 'run.py tune'"):
        coverage_section(tmp_path, [])
