import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import run
from soil_bench.pages.paper import paper_sections
from soil_bench.runs.results import read_records
from soil_bench.studies.growth import growth_report

RecordOf = Callable[[str], dict[str, Any]]


@pytest.fixture
def arguments(tiny: list[str]) -> list[str]:
    sizes = ["--batches-per-step", "3", "2"]
    return ["growth", *tiny, "--seeds", "2", "--models", "bpr", *sizes]


@pytest.mark.usefixtures("trained_runs")
def test_numbers_of_batches_are_compared_with_one(
    arguments: list[str],
    out: Path,
    record_of: RecordOf,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments += ["--epochs", "2"]
    assert run.main(arguments) == 0
    record = record_of("growth")
    runs = list(read_records(out / "results.jsonl").values())
    assert [each["settings"]["batches_per_step"] for each in runs] == [1, 2, 3] * 2
    for number, row in enumerate(record["rows"]):
        tests = [each["test"]["recall@20"] for each in runs[number::3]]
        assert row["batches_per_step"] == number + 1
        assert row["test"]["recall@20"] == tests
        if number == 0:
            assert row["differences"] is None
            one = tests
        else:
            difference = row["differences"]["recall@20"]["difference"]
            assert difference == pytest.approx((sum(tests) - sum(one)) / 2)
    printed = capsys.readouterr().out
    assert "Steps on several batches on tiny, 2 seeds" in printed
    assert run.main(arguments) == 0
    assert record_of("growth") == record
    (section,) = paper_sections(out / "records")
    assert "--batches-per-step 1 2 3`" in section


def test_table() -> None:
    def row(size: int, values: list[float], difference: float | None) -> dict[str, Any]:
        found = {"difference": difference, "standard_error": 0.01}
        metrics = ("recall@20", "ndcg@20")
        return {
            "model": "soil",
            "batches_per_step": size,
            "batch_size": 10,
            "best_epoch": [3, 5],
            "test": dict.fromkeys(metrics, values),
            "differences": None if difference is None else dict.fromkeys(metrics, found),
        }

    report = growth_report(
        {
            **{"dataset": "own", "seeds": 2, "epochs": None, "interactions": 95},
            "rows": [row(1, [0.1, 0.3], None), row(4, [0.1, 0.2], -0.05)],
        }
    )
    first, second = ([re.sub(r" ± .*", "", cell) for cell in cells] for cells in report.rows)
    assert first == ["soil", "1", "10", "4", "0.2000", "", "0.2000", ""]
    assert second == [
        *("soil", "4", "3", "4"),
        *("0.1500", "-0.0500", "0.1500", "-0.0500"),
    ]
    assert len(report.columns) == len(report.rows[0])
