import io

from rich.console import Console

from soil_bench.runs.tables import Report, difference_text, markdown, print_report

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
