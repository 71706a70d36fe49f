from collections.abc import Iterator
from types import SimpleNamespace
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soil_pyg.utils import progress
from soil_pyg.utils.progress import blocks

SECONDS_PER_BLOCK = 2.0


class Bar:
    """Records the events of a progress bar."""

    made: ClassVar[list["Bar"]] = []

    def __init__(self, console: object, transient: bool) -> None:
        self.events: list[object] = []
        self.stderr = console.stderr
        Bar.made.append(self)

    def add_task(self, description: str, total: int) -> int:
        self.events.append((description, total))
        return 7

    def start(self) -> None:
        self.events.append("start")

    def update(self, task: int, completed: int) -> None:
        assert task == 7
        self.events.append(completed)

    def stop(self) -> None:
        self.events.append("stop")


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    """The bars that are created, on a clock that advances two seconds per block."""

    def seconds() -> Iterator[float]:
        now = 100.0
        while True:
            yield now
            now += SECONDS_PER_BLOCK

    clock = seconds()
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(progress, "Progress", Bar)
    monkeypatch.setattr(Bar, "made", [])
    monkeypatch.setenv("FORCE_COLOR", "1")  # or else no bar is shown where no terminal is
    return Bar.made


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 60))
def test_blocks_cut_the_range(size: int, block_size: int) -> None:
    found = list(blocks(size, block_size, "counting"))
    assert [row for block in found for row in range(size)[block]] == list(range(size))
    assert all(block.stop - block.start == block_size for block in found[:-1])
    assert all(0 < block.stop - block.start <= block_size for block in found)


def test_short_loops_show_nothing(bars: list[Bar]) -> None:
    assert len(list(blocks(9, 3, "counting"))) == 3
    assert bars == []


def test_the_last_block_needs_no_bar(bars: list[Bar]) -> None:
    assert progress.PATIENCE_SECONDS == 5.0
    # The third block ends after six seconds.
    assert len(list(blocks(3, 1, "counting"))) == 3
    assert bars == []


def test_long_loops_show_a_bar_on_standard_error(bars: list[Bar]) -> None:
    assert len(list(blocks(11, 2, "counting"))) == 6
    (bar,) = bars
    assert bar.stderr
    assert bar.events == [("counting", 11), "start", 6, 8, 10, 11, "stop"]


def test_a_log_has_a_line_per_minute(
    bars: list[Bar], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR")
    monkeypatch.setenv("TTY_COMPATIBLE", "0")
    assert len(list(blocks(2000, 20, "counting [x]"))) == 100
    # Blocks end every two seconds: after 6, 68, 130 and 192 of 200.
    counts = ("60", "680", "1,300", "1,920")
    assert capfd.readouterr() == ("", "".join(f"counting [x]: {n} of 2,000\n" for n in counts))
    assert bars == []


def test_the_bar_goes_when_the_loop_is_left(bars: list[Bar]) -> None:
    for block in blocks(11, 2, "counting"):
        if block.start == 8:
            break
    assert bars[0].events[-1] == "stop"


def test_the_bar_goes_when_the_loop_is_interrupted(bars: list[Bar]) -> None:
    loop = blocks(11, 2, "counting")
    for _ in range(5):
        next(loop)
    with pytest.raises(KeyboardInterrupt):
        loop.throw(KeyboardInterrupt())
    assert bars[0].events[-1] == "stop"


def test_a_real_bar_leaves_standard_output_alone(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")  # or else nothing is shown where no terminal is
    assert len(list(blocks(3, 1, "counting"))) == 3
    out, error = capfd.readouterr()
    assert out == ""
    assert "counting" in error
