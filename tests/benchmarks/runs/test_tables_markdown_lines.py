import pytest

from soil_bench.runs.tables import bullets, short, table


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
