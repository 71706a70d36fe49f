"""Times several functions in turns, so that disturbances of the machine affect all of them."""

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

MINIMUM_ROUNDS = 3


def has_gpu() -> bool:
    """Returns whether this process uses a GPU."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


class Remote:
    """A function in another process, which tells the seconds that each call took.

    Args:
        seconds (callable): Makes a call and returns its seconds.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.seconds = seconds

    def __call__(self) -> None:
        """Makes a call."""
        self.seconds()


def time_alternately(
    functions: dict[str, Callable[[], Any]],
    rounds: int,
    seconds: float,
    device: str = "cpu",
    seed: int = 0,
) -> dict[str, list[float]]:
    """Calls all functions in turns in random order, and returns the seconds of each call.

    A function that has used up its share of the time stops after :obj:`3` rounds.

    Args:
        functions (dict[str, callable]): The functions by name, each called before.
        rounds (int): The maximum number of calls per function.
        seconds (float): The time for all of them together.
        device (str, optional): On :obj:`"cuda"`, a call ends when the GPU is idle.
            (default: :obj:`"cpu"`)
        seed (int, optional): The seed of the order. (default: :obj:`0`)

    Example:
        >>> times = time_alternately({"a": list, "b": dict}, rounds=4, seconds=60.0)
        >>> {name: len(calls) for name, calls in times.items()}
        {'a': 4, 'b': 4}
    """
    generator = random.Random(seed)
    times: dict[str, list[float]] = {name: [] for name in functions}
    share = seconds / max(1, len(functions))
    active = list(functions)
    while active:
        generator.shuffle(active)
        for name in active:
            times[name].append(time_call(functions[name], device)[0])
        active = [name for name in active if _goes_on(times[name], rounds, share)]
    return times


def time_call(function: Callable[[], Any], device: str) -> tuple[float, Any]:
    """Returns the seconds of one call and its result.

    Args:
        function (callable): The function.
        device (str): :obj:`"cpu"` or :obj:`"cuda"`.
    """
    if isinstance(function, Remote):
        return function.seconds(), None
    synchronise(device)
    start = time.perf_counter()
    result = function()
    synchronise(device)
    return time.perf_counter() - start, result


def synchronise(device: str) -> None:
    """Waits until a GPU is idle."""
    if device == "cuda":
        torch.cuda.synchronize()


def summarise(times: list[float]) -> dict[str, float]:
    """Returns median, quartiles and extremes in milliseconds, and the number of rounds.

    Args:
        times (list[float]): Seconds of single calls, at least one.

    Example:
        >>> summarise([0.001, 0.002, 0.004])["median_ms"]
        2.0
    """
    milliseconds = [1000 * seconds for seconds in times]
    low, _, high = (
        statistics.quantiles(milliseconds, method="inclusive")
        if len(milliseconds) > 1
        else milliseconds * 3
    )
    return {
        "median_ms": statistics.median(milliseconds),
        "q1_ms": low,
        "q3_ms": high,
        "min_ms": min(milliseconds),
        "max_ms": max(milliseconds),
        "rounds": len(milliseconds),
    }


def _goes_on(times: list[float], rounds: int, share: float) -> bool:
    return len(times) < rounds and (len(times) < MINIMUM_ROUNDS or sum(times) < share)
