"""Loops over blocks that show their progress after a few seconds."""

import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import Progress

from soil_pyg.utils.threads import limit_spins_late

PATIENCE_SECONDS = 5.0
"""The time after which a loop shows its progress."""

LOG_SECONDS = 60.0
"""The time between two lines where there is no terminal for a progress bar."""


def blocks(size: int, block_size: int, description: str) -> Iterator[slice]:
    """Yields the slices that cut :obj:`range(size)` into blocks of at least 1 row, with a late
    progress bar on standard error, or a line per minute where that is no terminal.

    Example:
        >>> list(blocks(5, 2, "counting"))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    limit_spins_late()
    start, due = time.monotonic(), PATIENCE_SECONDS
    progress: Progress | None = None
    try:
        for begin in range(0, size, block_size):
            end = min(begin + block_size, size)
            yield slice(begin, end)
            if progress is None and end < size and (now := time.monotonic() - start) > due:
                console = Console(stderr=True, highlight=False, markup=False)
                due = now + LOG_SECONDS
                if console.is_terminal:
                    progress = Progress(console=console, transient=True)
                    task = progress.add_task(description, total=size)
                    progress.start()
                else:
                    console.print(f"{description}: {end:,} of {size:,}", soft_wrap=True)
            if progress is not None:
                progress.update(task, completed=end)
    finally:
        if progress is not None:
            progress.stop()
