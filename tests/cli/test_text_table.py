import io
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from soil_pyg.cli import text_table
from soil_pyg.cli.text_table import write_table

FRAME = pd.DataFrame({"user": ["ann", "[b]bö", "ann,2"], "score": [0.1, 2e-5, -1.0]})


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def lines_of(*blocks: pd.DataFrame, stream: io.BytesIO | None = None) -> list[str]:
    stream = stream or io.BytesIO()
    write_table(stream, blocks)
    text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue().decode())
    return [line for line in text.splitlines() if "─" not in line]


def test_table_for_people() -> None:
    assert [line.split() for line in lines_of(FRAME.assign(best=[None, 1.0, None]))] == [
        ["user", "score", "best"],
        ["ann", "0.1000", "-"],
        ["[b]bö", "2.0e-05", "1.0000"],
        ["ann,2", "-1.0000", "-"],
    ]


def test_headers_are_no_markup() -> None:
    frame = pd.DataFrame({"run[k=5]": [1], "it[/em]": [2]})
    assert lines_of(frame)[0].split() == ["run[k=5]", "it[/em]"]


def test_each_page_has_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "PAGE", 2)
    assert [line.split()[0] for line in lines_of(FRAME, FRAME[:1])] == [
        *("user", "ann", "[b]bö"),
        *("user", "ann,2"),
        *("user", "ann"),
    ]


def test_long_cells_are_whole_where_there_is_no_terminal() -> None:
    assert "x" * 5000 in lines_of(pd.DataFrame({"item": ["x" * 5000]}))[1]


@pytest.fixture(params=[30, 40, 80, 200])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    return int(request.param)


def test_a_terminal_gets_whole_numbers(width: int) -> None:
    metrics = {f"metric@{k}": np.full(2, k / 100) for k in range(1, 12)}
    frame = pd.DataFrame({"split": ["val", "test"], "users": [10, 9]} | metrics)
    lines = lines_of(frame, stream=Terminal())
    assert max(map(len, lines)) <= width
    parts = [line.split() for line in lines if line.split()[0] == "split"]
    assert all(part[:2] == ["split", "users"] for part in parts)
    assert [name for part in parts for name in part[2:]] == list(metrics)
    rows: Iterator[list[str]] = (line.split() for line in lines if line.split()[0] == "test")
    assert [cell for row in rows for cell in row[2:]] == [f"{k / 100:.4f}" for k in range(1, 12)]
    assert (len(parts) == 1) == (width == 200)


def test_texts_are_folded_where_there_is_no_room(width: int) -> None:
    frame = pd.DataFrame({"item": ["x" * 300], "title": ["y" * 100], "score": [0.5]})
    lines = lines_of(frame, stream=Terminal())
    assert max(map(len, lines)) <= width
    text = "".join("".join(lines).split())
    assert text.count("x") == 300
    assert text.count("y") == 100
