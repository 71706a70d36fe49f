import io

import pytest
from rich.console import Console

from soil_bench.runs.tables import (
    Report,
    bullets,
    difference_text,
    markdown,
    print_report,
    short,
    table,
)

REPORT = Report("Two models", ["model", "recall"], [["a", "0.1"], ["b", "0.2 ± 0.1"]], ["[1] note"])


def test_markdown() -> None:
    assert markdown(REPORT) == [
        "Two models:",
        "",
        "| model | recall |",
        "|---|---|",
        "| a | 0.1 |",
        "| b | 0.2 ± 0.1 |",
        "",
        "- [1] note",
        "",
    ]


def test_print() -> None:
    out = io.StringIO()
    print_report(REPORT, Console(file=out, width=60))
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert lines[0] == "Two models"
    assert "│ a     │       0.1 │" in lines
    assert lines[-1] == "[1] note"


def test_differences() -> None:
    assert difference_text(0.00126, 0.0004) == "+0.0013 ± 0.0004"
    assert difference_text(-0.1, None) == "-0.1000"


def test_table() -> None:
    assert table(["a", "b"], [["1", "2"], ["", "3"]]) == [
        "| a | b |",
        "|---|---|",
        "| 1 | 2 |",
        "|  | 3 |",
        "",
    ]
    assert table(["a"], []) == ["| a |", "|---|", ""]


def test_bullets() -> None:
    assert bullets(["one", "two"]) == ["- one", "- two", ""]
    assert bullets([]) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.012345, "0.0123"),
        (1.5, "1.5"),
        (99.97, "100"),
        (999.7, "1,000"),
        (1234567.8, "1,234,568"),
    ],
)
def test_short(value: float, text: str) -> None:
    assert short(value) == text
