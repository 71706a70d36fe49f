from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.columns import read_labels, read_numbers, read_times
from soil_pyg.datasets.frames import read_table


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 1, 1, 2],
        ["0", "1", "1", "1", "2"],
        ["train", "val", "valid", "validation", "test"],
        pd.Categorical(["train", "val", "valid", "validation", "test"]),
    ],
)
def test_labels(labels: object) -> None:
    table = read_table(pd.DataFrame({"s": labels}), "x", ["s"])
    assert read_labels(table, "s").tolist() == [0, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("labels", "got"),
    [([0, 3], "3"), (["test", "Test"], "Test"), ([0.0, 1.0], "0.0"), (["test", None], ".*")],
)
def test_unknown_labels_are_refused(labels: list[object], got: str) -> None:
    table = read_table(pd.DataFrame({"s": labels}), "x", ["s"])
    with pytest.raises(ValueError, match=rf"'x', row \d: 's' .*train, val, .*\(got '{got}'\)"):
        read_labels(table, "s")


@pytest.mark.parametrize(
    "times",
    [
        [30, 10, 20],
        [0.3, 0.1, 0.2],
        ["2024-03-01", "2024-01-05", "2024-01-05T00:00:01"],
        pd.to_datetime(["2024-03-01", "2023-01-05", "2024-01-05"]),
        pd.to_datetime(["2024-03-01", "2023-01-05", "2024-01-05"]).tz_localize("Asia/Tokyo"),
    ],
)
def test_times(times: object) -> None:
    table = read_table(pd.DataFrame({"t": times}), "x", ["t"])
    assert np.argsort(read_times(table, "t")).tolist() == [1, 2, 0]


@pytest.mark.parametrize("suffix", ["frame", "csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    "times",
    [
        ["1580000002", "1580000000", "1580000001"],
        ["1580000002000000001", "1580000001999999999", " 1580000002000000000"],
        ["1580000000.3", "1580000000.1", "1580000000.2"],
        ["20240301", "20230105", "20240105"],
        ["2024-03-01T00:00:00.000000002Z", "2023-01-01T00:00:00Z", "2024-03-01T00:00:00+00:00"],
        [1580000002, "1580000000", "1580000001"],
    ],
)
def test_times_as_text(times: list[object], suffix: str, tmp_path: Path) -> None:
    frame, source = pd.DataFrame({"t": pd.Series(times, dtype=object)}), tmp_path / f"x.{suffix}"
    if suffix == "jsonl":
        frame.to_json(source, orient="records", lines=True)
    elif suffix == "parquet":
        frame.astype(str).to_parquet(source)
    elif suffix != "frame":
        frame.to_csv(source, index=False, sep="," if suffix == "csv" else "\t")
    table = read_table(frame if suffix == "frame" else source, "x", [], ["t"])
    assert np.argsort(read_times(table, "t"), kind="stable").tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("times", "row"),
    [
        (["1580000000", "2024-01-01"], 1),
        (["2024-01-01", "2024-01-02", "1580000000"], 2),
        (["2024-01-01T00:00:00Z", "2024-01-01T00:00:00"], 1),
        (["2024-01-01", "2024-01-01T00:00:00+01:00"], 1),
        (["2024-01-01", "now"], 1),
        (["today", "2024-01-01"], 0),
        (["2024-01-01", "2024-13-01"], 1),
        ([1580000000, pd.Timestamp("2024-01-01")], 1),
        ([1580000000, True], 1),
        ([True, False], 0),
        ([0.5, float("inf")], 1),
        ([1j, 2j], 0),
        ([[1], [2]], 0),
        ([b"1", b"2"], 0),
        (["\ud800", "1"], 0),
    ],
)
def test_times_in_different_forms_are_refused(times: list[object], row: int) -> None:
    table = read_table(pd.DataFrame({"t": pd.Series(times, dtype=object)}), "x", ["t"])
    with pytest.raises(ValueError, match=f"^'x', row {row}: 't' .*ISO 8601"):
        read_times(table, "t")


def test_times_that_cannot_be_right_are_refused() -> None:
    for times, message in (([1.0, None], "missing"), (["2024-01-01", "soon"], r"\(got 'soon'\)")):
        table = read_table(pd.DataFrame({"t": times}), "x", ["t"])
        with pytest.raises(ValueError, match=f"'x', row 1: 't' .*{message}"):
            read_times(table, "t")


@pytest.mark.parametrize("scale", [10**3, 10**6, 10**9])
def test_times_in_two_units_are_refused(scale: int) -> None:
    seconds = np.array([1_580_000_000, 1_590_000_000, 1_600_000_000])
    for times in (seconds * scale, seconds / 7, np.arange(3) * scale, seconds - 10**9):
        frame = pd.DataFrame({"t": np.concatenate([times, times * 2])})
        assert read_times(read_table(frame, "x", ["t"]), "t").tolist() == frame["t"].tolist()
    frame = pd.DataFrame({"t": np.concatenate([seconds, seconds * scale])})
    with pytest.raises(ValueError, match=r"'x', row 3: 't' .* unit of the first row \(got '158"):
        read_times(read_table(frame, "x", ["t"]), "t")
    # Such times are unknown.
    frame = pd.DataFrame({"t": np.concatenate([[0, -1], seconds, [0], seconds * scale])})
    with pytest.raises(ValueError, match=r"'x', row 6: 't' .* unit of the first row \(got '158"):
        read_times(read_table(frame, "x", ["t"]), "t")


def test_numbers() -> None:
    table = read_table(pd.DataFrame({"n": ["1", 2.5, "3e2"]}), "x", ["n"])
    assert read_numbers(table, "n").tolist() == [1, 2.5, 300]
    for wrong, message in (("five", r"\(got 'five'\)"), (None, "missing"), ("inf", "'inf'")):
        table = read_table(pd.DataFrame({"n": ["1", wrong]}), "x", ["n"])
        with pytest.raises(ValueError, match=f"'x', row 1: 'n' .*{message}"):
            read_numbers(table, "n")
