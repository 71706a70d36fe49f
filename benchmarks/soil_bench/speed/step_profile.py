"""The time of a training step by operation."""

from collections.abc import Callable
from typing import Any

from torch.profiler import ProfilerActivity, profile

SHOWN = 8
"""The number of operations that are listed."""


def profile_of(step: Callable[[], float], steps: int, device: str) -> dict[str, Any]:
    """Returns the milliseconds of a step by operation, in descending order.

    The time of an operation excludes that of the operations it calls; on a GPU it is that of its
    kernels. The rest of the step is :obj:`"waiting"`, during which the device is idle.

    Args:
        step (callable): Runs a step until the device is idle, and returns its seconds.
        steps (int): The number of steps.
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
        # Kernels are counted with the operation that launched them.
        if event.device_type.name == "CPU":
            spent[event.key] = getattr(event, field) / 1000 / steps
    operations = sorted((name for name in spent if spent[name] > 0), key=lambda name: -spent[name])
    whole, busy = 1000 * sum(seconds) / steps, sum(spent.values())
    return {
        "step_ms": whole,
        "waiting_ms": max(whole - busy, 0.0),
        "operations_ms": {name: spent[name] for name in operations[:SHOWN]},
        "others_ms": sum(spent[name] for name in operations[SHOWN:]),
    }


def describe_profile(profile: dict[str, Any]) -> str:
    """Returns the operations and their milliseconds as text.

    Args:
        profile (dict[str, Any]): The result of :func:`profile_of`.
    """
    parts = [f"`{name}` {ms:.3g}" for name, ms in profile["operations_ms"].items()]
    parts.append(f"others {profile['others_ms']:.3g}")
    return (
        f"profile of a step, ms of {profile['step_ms']:.3g} under the profiler: "
        f"{', '.join(parts)}; idle {profile['waiting_ms']:.3g}"
    )
