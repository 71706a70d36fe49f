import time

import pytest
import torch

from soil_bench.speed.step_profile import SHOWN, describe_profile, profile_of


def test_operations_and_waiting() -> None:
    x = torch.rand(400, 400)

    def step() -> float:
        start = time.perf_counter()
        for _ in range(4):
            x.mm(x)
        for function in (torch.exp, torch.sin, torch.cos, torch.tan, torch.abs, torch.neg):
            function(x)
        (x + 1).sum().sort()
        time.sleep(0.02)
        return time.perf_counter() - start

    found = profile_of(step, steps=3, device="cpu")
    names = list(found["operations_ms"])
    assert "aten::mm" in names
    assert len(names) == SHOWN
    times = list(found["operations_ms"].values())
    assert times == sorted(times, reverse=True)
    assert min(times) > 0
    assert found["others_ms"] > 0
    assert found["waiting_ms"] > 15
    total = sum(times) + found["others_ms"] + found["waiting_ms"]
    assert total == pytest.approx(found["step_ms"], rel=1e-6)


def test_in_words() -> None:
    profile = {
        "step_ms": 10.0,
        "waiting_ms": 1.5,
        "operations_ms": {"aten::mm": 6.0, "aten::exp": 2.0},
        "others_ms": 0.5,
    }
    assert describe_profile(profile) == (
        "profile of a step, ms of 10 under the profiler: `aten::mm` 6, `aten::exp` 2, "
        "others 0.5; idle 1.5"
    )
