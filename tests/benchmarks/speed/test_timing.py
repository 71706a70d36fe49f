import pytest

from soil_bench.speed import timing
from soil_bench.speed.timing import Remote, summarise, time_alternately, time_call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only the timed functions move."""
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    return now


def test_the_functions_take_turns_in_random_order(clock: list[float]) -> None:
    calls: list[str] = []
    functions = {name: lambda name=name: calls.append(name) for name in "abc"}
    times = time_alternately(functions, rounds=20, seconds=1.0)
    turns = ["".join(calls[i : i + 3]) for i in range(0, 60, 3)]
    assert {"".join(sorted(turn)) for turn in turns} == {"abc"}
    assert len(set(turns)) > 3
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 20, "b": 20, "c": 20}

    again: list[str] = []
    time_alternately({n: lambda n=n: again.append(n) for n in "abc"}, rounds=20, seconds=1.0)
    assert again == calls


def test_a_slow_function_rests_when_its_share_is_used_up(clock: list[float]) -> None:
    def work(seconds: float) -> None:
        clock[0] += seconds

    functions = {"fast": lambda: work(0.25), "slow": lambda: work(8.0), "medium": lambda: work(1.0)}
    times = time_alternately(functions, rounds=10, seconds=15.0)
    assert times == {"fast": [0.25] * 10, "slow": [8.0] * 3, "medium": [1.0] * 5}


def test_no_functions() -> None:
    assert time_alternately({}, rounds=3, seconds=1.0) == {}


def test_summary() -> None:
    assert summarise([0.005, 0.001, 0.002, 0.003, 0.004]) == {
        "median_ms": 3.0,
        "q1_ms": 2.0,
        "q3_ms": 4.0,
        "min_ms": 1.0,
        "max_ms": 5.0,
        "rounds": 5,
    }
    assert summarise([0.5])["q3_ms"] == 500.0


def test_a_function_of_another_process_tells_its_own_time(clock: list[float]) -> None:
    def seconds() -> float:
        clock[0] += 5.0
        return 2.0

    assert time_call(Remote(seconds), "cpu") == (2.0, None)
    Remote(seconds)()
    assert clock == [10.0]
    times = time_alternately({"a": Remote(seconds)}, rounds=4, seconds=60.0)
    assert times == {"a": [2.0] * 4}
