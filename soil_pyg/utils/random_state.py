"""Seeds, and the global random numbers of Python, NumPy and torch."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Gives the random numbers of Python, NumPy and torch back their state after a block, or after
    each call of a function that it decorates.

    Example:
        >>> with random_state_kept():
        ...     first = torch.rand(1)
        >>> torch.rand(1).equal(first)
        True
    """
    of_python, of_numpy = random.getstate(), np.random.get_state()
    # To ask GPUs that nothing has used would take memory of each.
    is_used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    gpus = range(torch.cuda.device_count() if is_used else 0)
    try:
        with torch.random.fork_rng(gpus):
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)


def seed_of(*entropy: int) -> int:
    """Returns a seed that follows from several numbers.

    Example:
        >>> seed_of(0, 1) == seed_of(1, 0)
        False
    """
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])
