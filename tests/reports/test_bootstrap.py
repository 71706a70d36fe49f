import numpy as np
import pytest

from soil_pyg.reports import bootstrap
from soil_pyg.reports.bootstrap import bootstrap_intervals


def test_interval_of_a_mean() -> None:
    values = np.random.default_rng(1).normal(0.3, 0.2, 2_000)
    other = np.full(2_000, 0.25)
    found = bootstrap_intervals({"a": values, "b": other})
    # The ends of a normal interval of the mean, up to the error of 1,000 samples.
    half = 1.96 * values.std() / np.sqrt(len(values))
    low, high = found["a"]
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)
    assert found["b"] == pytest.approx((0.25, 0.25))


def test_the_seed_decides() -> None:
    values = {"a": np.arange(50.0)}
    assert bootstrap_intervals(values) == bootstrap_intervals(values)
    assert bootstrap_intervals(values) != bootstrap_intervals(values, seed=1)


def test_many_users_take_fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = []
    monkeypatch.setattr(bootstrap, "MAX_DRAWS", 250 * 10)
    blocks = bootstrap.blocks

    def count(num: int, size: int, text: str) -> object:
        samples.append(num)
        return blocks(num, size, text)

    monkeypatch.setattr(bootstrap, "blocks", count)
    bootstrap_intervals({"a": np.arange(10.0)})
    bootstrap_intervals({"a": np.arange(100.0)})
    assert samples == [250, bootstrap.MIN_SAMPLES]
