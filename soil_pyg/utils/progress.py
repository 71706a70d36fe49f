"""The progress of long steps: one line of a terminal, rewritten in place, or lines of a log."""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from soil_pyg.utils.threads import limit_spins_late

logger = logging.getLogger("soil_pyg")

PATIENCE_SECONDS = 2.0
"""The time after which a loop shows its progress."""

LOG_SECONDS = 60.0
"""The time between two lines of a step where there is no terminal."""

REFRESH_SECONDS = 0.1
"""The time between two changes of the line of a terminal."""


class Status:
    """The last line of a terminal on standard error, which is rewritten in place and never longer
    than the terminal is wide. Other output must :meth:`clear` it first.
    """

    def __init__(self) -> None:
        self.enabled = True
        """Is set if progress is shown."""
        self._is_shown = False

    @property
    def is_live(self) -> bool:
        """Returns whether standard error is a terminal that can rewrite its last line."""
        is_open = sys.stderr is not None and not sys.stderr.closed
        return self.enabled and is_open and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def show(self, *parts: str, priority: Sequence[int] | None = None) -> None:
        """Shows the parts of a line in a terminal. If it is too narrow, the parts with the largest
        priority numbers are left out, by default the last ones.
        """
        if self.is_live:
            self._write(f"\r{fit(parts, _width() - 1, priority)}\x1b[K")
            self._is_shown = True

    def clear(self) -> None:
        """Removes the line, if it is shown."""
        if self._is_shown:
            self._write("\r\x1b[K")
            self._is_shown = False

    def keep(self) -> None:
        """Ends the line, which stays."""
        if self._is_shown:
            self._write("\n")
            self._is_shown = False

    def log(self, line: str) -> None:
        """Writes a line that stays, unless progress is not shown."""
        if self.enabled:
            self.write_line(line)

    def step(self, text: str) -> None:
        """Names the step that begins, in the line of a terminal and in the log of level info."""
        self.show(text)
        logger.info(text)

    def write_line(self, line: str) -> None:
        """Writes a line that stays."""
        self.clear()
        self._write(f"{line}\n")

    def _write(self, text: str) -> None:
        # Standard error may be closed.
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)
            sys.stderr.flush()


status = Status()
"""The line of this process."""


class _Loops(threading.local):
    """The number of loops of several blocks that a thread is in."""

    depth = 0


_loops = _Loops()


def blocks(size: int, block_size: int, description: str) -> Iterator[slice]:
    """Yields the slices that cut :obj:`range(size)` into blocks of at least 1 row. A loop that
    lasts shows its progress on standard error: in the line of a terminal, or else by a line per
    minute. A loop inside another one shows nothing in its first minute.

    Example:
        >>> list(blocks(5, 2, "counting"))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    limit_spins_late()
    start, is_shown = time.monotonic(), False
    due = LOG_SECONDS if _loops.depth > 0 else PATIENCE_SECONDS
    is_outer = size > block_size
    _loops.depth += is_outer
    try:
        for begin in range(0, size, block_size):
            end = min(begin + block_size, size)
            yield slice(begin, end)
            if end < size and (now := time.monotonic() - start) > due:
                left = f"{duration(now / end * (size - end))} left"
                if status.is_live:
                    status.show(f"{description}: {end:,} of {size:,}", left)
                    due, is_shown = now + REFRESH_SECONDS, True
                else:
                    status.log(f"{description}: {end:,} of {size:,}, {left}")
                    due = now + LOG_SECONDS
    finally:
        _loops.depth -= is_outer
        if is_shown:
            status.clear()


def fit(parts: Sequence[str], width: int, priority: Sequence[int] | None = None) -> str:
    """Joins as many of the parts as fit into a width; those with the largest priority numbers, by
    default the last ones, are left out first.

    Example:
        >>> fit(["epoch 3", "loss 0.5", "1:07 left"], 20, priority=[0, 2, 1])
        'epoch 3  1:07 left'
    """
    kept = list(zip(priority or range(len(parts)), parts, strict=True))
    while len(kept) > 1 and sum(len(part) + 2 for _, part in kept) - 2 > width:
        kept.remove(max(kept))
    return "  ".join(part for _, part in kept)[: max(width, 0)]


def duration(seconds: float) -> str:
    """Returns a duration in seconds, in minutes and seconds, or in hours, minutes and seconds.

    Example:
        >>> duration(7), duration(187), duration(3723)
        ('7 s', '3:07', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def _width() -> int:
    with suppress(OSError, ValueError, AttributeError):
        # A terminal of unknown width reports 0.
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    return 80
