"""Where the time of a training step goes: the operations that take most of it."""

from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

SHOWN = 8


def profile_of(step: Callable[[], Any], steps: int, device: str) -> dict[str, Any]:
    """Returns the milliseconds of a step by operation, the largest first.

    Of each operation its own time counts, without that of the operations it calls: on a GPU that
    of its kernels. What is left of the step is :obj:`"waiting"`: the device has nothing to do.

    Args:
        step (callable): Makes a step, after which the device has nothing left to do.
        steps (int): How many are made.
        device (str): :obj:`"cpu"` or :obj:`"cuda"`.
    """
    activities = [ProfilerActivity.CPU]
    if device == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        seconds = [step() for _ in range(steps)]
    field = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    spent: dict[str, float] = {}
    for event in profiler.key_averages():
        # Operations alone: kernels are counted with the operation that started them.
        if event.device_type == torch.autograd.DeviceType.CPU:
            spent[event.key] = getattr(event, field) / 1000 / steps
    operations = sorted((name for name in spent if spent[name] > 0), key=lambda name: -spent[name])
    whole, busy = 1000 * sum(seconds) / steps, sum(spent.values())
    return {
        "step_ms": whole,
        "waiting_ms": max(whole - busy, 0.0),
        "operations_ms": {name: spent[name] for name in operations[:SHOWN]},
        "others_ms": sum(spent[name] for name in operations[SHOWN:]),
    }


def describe(profile: dict[str, Any]) -> str:
    """Returns the operations and their milliseconds in words.

    Args:
        profile (dict[str, Any]): The result of :func:`profile_of`.
    """
    parts = [f"`{name}` {ms:.3g}" for name, ms in profile["operations_ms"].items()]
    parts.append(f"others {profile['others_ms']:.3g}")
    return (
        f"profile of a step, ms of {profile['step_ms']:.3g} while it is profiled: "
        f"{', '.join(parts)}; nothing to do {profile['waiting_ms']:.3g}"
    )
