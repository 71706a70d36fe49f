from typing import Any

import pytest

from soil_bench.systems import turns as module
from soil_bench.systems.turns import Turns


class Host:
    """Gives turns at once."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def hear(self) -> dict[str, Any]:
        self.log.append("heard")
        return {}

    def tell(self, **values: Any) -> None:
        self.log.append(values)


def test_only_the_time_within_turns_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(module.time, "process_time", lambda: 2 * now[0])
    host: Any = Host()
    turns = Turns(host, 2, {"x": "1"})
    now[0] = 5.0
    for epoch in turns.epochs():
        now[0] += 1.0 + epoch

    def evaluation() -> float:
        now[0] += 0.5
        return 0.25

    turns.evaluate(evaluation)
    assert host.log == [
        {"task": "ready", "versions": {"x": "1"}},
        "heard",
        {"task": "train", "wall": 1.0, "cpu": 2.0, "recall": None},
        "heard",
        {"task": "train", "wall": 2.0, "cpu": 4.0, "recall": None},
        "heard",
        {"task": "evaluate", "wall": 0.5, "cpu": 1.0, "recall": 0.25},
        "heard",
        {"task": "evaluate", "wall": 0.5, "cpu": 1.0, "recall": 0.25},
    ]


def test_a_long_evaluation_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(module.time, "process_time", lambda: 2 * now[0])
    host: Any = Host()

    def evaluation() -> None:
        now[0] += 11.0

    Turns(host, 3, {}).evaluate(evaluation)
    assert [entry["task"] for entry in host.log if entry != "heard"] == ["ready", "evaluate"]


def test_a_callback_may_end_the_turns() -> None:
    host: Any = Host()
    epochs = Turns(host, 2, {}).epochs()
    assert next(epochs) == 0
    assert next(epochs, None) == 1
    assert next(epochs, None) is None
    assert [entry["task"] for entry in host.log if entry != "heard"] == ["ready", "train", "train"]
