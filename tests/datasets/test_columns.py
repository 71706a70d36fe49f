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


def test_times_that_cannot_be_right_are_refused() -> None:
    for times, message in (([1.0, None], "missing"), (["2024-01-01", "soon"], r"\(got 'soon'\)")):
        table = read_table(pd.DataFrame({"t": times}), "x", ["t"])
        with pytest.raises(ValueError, match=f"'x', row 1: 't' .*{message}"):
            read_times(table, "t")


def test_numbers() -> None:
    table = read_table(pd.DataFrame({"n": ["1", 2.5, "3e2"]}), "x", ["n"])
    assert read_numbers(table, "n").tolist() == [1, 2.5, 300]
    for wrong, message in (("five", r"\(got 'five'\)"), (None, "missing")):
        table = read_table(pd.DataFrame({"n": ["1", wrong]}), "x", ["n"])
        with pytest.raises(ValueError, match=f"'x', row 1: 'n' .*{message}"):
            read_numbers(table, "n")
