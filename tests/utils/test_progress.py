import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soil_pyg.utils import progress
from soil_pyg.utils.progress import blocks, status

SECONDS_PER_BLOCK = 2.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Advances by two seconds per block."""

    def seconds() -> Iterator[float]:
        now = 100.0
        while True:
            yield now
            now += SECONDS_PER_BLOCK

    clock = seconds()
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 60))
def test_blocks_cut_the_range(size: int, block_size: int) -> None:
    found = list(blocks(size, block_size, "counting"))
    assert [row for block in found for row in range(size)[block]] == list(range(size))
    assert all(block.stop - block.start == block_size for block in found[:-1])
    assert all(0 < block.stop - block.start <= block_size for block in found)


def test_short_loops_show_nothing(open_terminal: Callable[[], Any]) -> None:
    terminal = open_terminal()
    # The second block ends after four seconds, the first after no more than the patience.
    assert progress.PATIENCE_SECONDS == SECONDS_PER_BLOCK
    assert len(list(blocks(6, 3, "counting"))) == 2
    assert terminal.getvalue() == ""


def test_long_loops_show_a_line(open_terminal: Callable[[], Any]) -> None:
    terminal = open_terminal()
    assert len(list(blocks(11, 2, "counting"))) == 6
    lines = ["counting: 4 of 11  7 s left", "counting: 6 of 11  5 s left"]
    lines += ["counting: 8 of 11  3 s left", "counting: 10 of 11  1 s left", ""]
    assert terminal.states() == lines


def test_a_narrow_terminal_cuts_the_line(
    open_terminal: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = open_terminal()
    monkeypatch.setattr(progress, "_width", lambda: 12)
    list(blocks(11, 2, "counting"))
    assert terminal.states()[0] == "counting: 4"


def test_a_log_has_a_line_per_minute(capfd: pytest.CaptureFixture[str]) -> None:
    assert len(list(blocks(2000, 20, "counting [x]"))) == 100
    out, err = capfd.readouterr()
    # Blocks end every two seconds: after 4, 66, 128 and 190 of 200.
    counts = ("40", "660", "1,280", "1,900")
    lefts = ("3:16", "2:14", "1:12", "10 s")
    lines = [
        f"counting [x]: {n} of 2,000, {left} left\n" for n, left in zip(counts, lefts, strict=True)
    ]
    assert (out, err) == ("", "".join(lines))


def test_a_loop_inside_another_one_shows_nothing_in_its_first_minute(
    capfd: pytest.CaptureFixture[str],
) -> None:
    for _ in blocks(2, 1, "outer"):
        assert len(list(blocks(4, 1, "inner"))) == 4
    assert capfd.readouterr().err == "outer: 1 of 2, 10 s left\n"
    for _ in blocks(2, 1, "outer"):
        assert len(list(blocks(40, 1, "inner"))) == 40
    lines = capfd.readouterr().err.splitlines()
    assert lines == ["inner: 31 of 40, 18 s left", "outer: 1 of 2, 1:22 left", lines[0]]
    # A loop of a single block has no progress to show, and one that has ended encloses nothing.
    for _ in blocks(1, 1, "outer"):
        assert len(list(blocks(3, 1, "inner"))) == 3
    assert capfd.readouterr().err == "inner: 2 of 3, 2 s left\n"


def test_the_line_goes_when_the_loop_is_left(open_terminal: Callable[[], Any]) -> None:
    terminal = open_terminal()
    for block in blocks(11, 2, "counting"):
        if block.start == 8:
            break
    assert terminal.states()[-1] == ""


def test_the_line_goes_when_the_loop_is_interrupted(open_terminal: Callable[[], Any]) -> None:
    terminal = open_terminal()
    loop = blocks(11, 2, "counting")
    for _ in range(5):
        next(loop)
    with pytest.raises(KeyboardInterrupt):
        loop.throw(KeyboardInterrupt())
    assert terminal.states()[-1] == ""


def test_a_line_that_stays_replaces_the_other(open_terminal: Callable[[], Any]) -> None:
    terminal = open_terminal()
    status.show("one")
    status.log("two")
    status.show("three")
    status.keep()
    assert terminal.getvalue() == "\rone\x1b[K\r\x1b[Ktwo\n\rthree\x1b[K\n"


def test_a_quiet_or_closed_stream_gets_nothing(
    open_terminal: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = open_terminal()
    with monkeypatch.context() as patch:
        patch.setattr(status, "enabled", False)
        list(blocks(11, 2, "counting"))
        status.log("a line")
    assert terminal.getvalue() == ""
    terminal.close()
    list(blocks(11, 2, "counting"))
    monkeypatch.setattr(sys, "stderr", None)
    list(blocks(11, 2, "counting"))
