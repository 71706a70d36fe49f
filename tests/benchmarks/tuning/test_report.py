from statistics import stdev

import pytest

from soil_bench.tuning.report import options_text, outcome_text, record_of, report_of, summary
from soil_bench.tuning.study import Trial

TRIALS = [
    Trial(1, {"k": 5, "lr": 0.1}, "complete", 0.25, 12),
    Trial(2, {"k": 6, "lr": 0.1}, "complete", 0.3, 11),
    Trial(3, {"k": 5, "lr": 0.01}, "complete", 0.375, 20),
    Trial(4, {"k": 6, "lr": 0.01}, "failed", None, 3, "the loss is nan"),
]
WINNER = TRIALS[2]


def test_trials_in_words() -> None:
    assert options_text(WINNER.options) == "k 5, lr 0.01"
    words = [outcome_text(trial, WINNER, "recall@20") for trial in TRIALS]
    best = "(best 0.3750 in trial 3)"
    assert words == [
        f"complete after 12 epochs, val recall@20 0.2500 {best}",
        f"complete after 11 epochs, val recall@20 0.3000 {best}",
        f"complete after 20 epochs, val recall@20 0.3750 {best}",
        "failed: the loss is nan",
    ]
    assert outcome_text(TRIALS[1], None, "map@5") == "complete after 11 epochs, val map@5 0.3000"


def test_table() -> None:
    report = report_of(TRIALS, WINNER, "recall@20", "what")
    assert report.title == "what"
    assert report.columns == ["trial", "k", "lr", "val recall@20", "epochs", "state"]
    assert report.rows == [
        ["3", "5", "0.01", "0.3750", "20", "winner"],
        ["2", "6", "0.1", "0.3000", "11", "complete"],
        ["1", "5", "0.1", "0.2500", "12", "complete"],
        ["4", "6", "0.01", "-", "3", "failed"],
    ]
    assert report.notes == ["Trial 4 failed: the loss is nan"]


def test_record() -> None:
    record = record_of(TRIALS, WINNER)
    assert record["num_trials"] == 4
    assert record["states"] == {"complete": 3, "failed": 1}
    assert record["trials"][2] == record["winner"]
    assert record["winner"] == {
        "number": 3,
        "settings": {"k": 5, "lr": 0.01},
        "state": "complete",
        "value": 0.375,
        "epochs": 20,
    }
    assert record["trials"][3]["error"] == "the loss is nan"


def test_summary() -> None:
    runs = [{"test": {"a": value, "b": 1.0}} for value in (0.1, 0.2, 0.4)]
    found = summary(runs, "test")
    assert found["a"]["mean"] == pytest.approx(0.7 / 3)
    assert found["a"]["std"] == stdev([0.1, 0.2, 0.4])
    assert found["b"] == {"mean": 1.0, "std": 0.0}
    assert summary(runs[:1], "test")["a"] == {"mean": 0.1, "std": None}
