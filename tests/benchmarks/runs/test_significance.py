from itertools import product
from math import atan, pi, sqrt

import numpy as np
import pytest

from soil_bench.runs import significance
from soil_bench.runs.significance import compare, mean_and_error, sign_flip_test, t_tail


def test_tails_in_closed_form() -> None:
    for t in (0.0, 0.3, 1.0, 2.5, 40.0):
        assert t_tail(t, 1) == pytest.approx(1 - 2 / pi * atan(t), abs=1e-12)
        assert t_tail(t, 2) == pytest.approx(1 - t / sqrt(2 + t * t), abs=1e-12)


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 30, 500, 9000, 10**6])
def test_tails_are_those_of_scipy(freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    for t in (0.0, 0.1, 1.0, 1.96, 4.0, 12.0, 30.0):
        assert t_tail(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-8)


@pytest.mark.parametrize("shift", [0.0, 0.2, 1.0])
def test_comparison_is_that_of_scipy(shift: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    first, second = rng.random(50) + shift, rng.random(50)
    found = compare(first, second)
    assert found.pairs == 50
    assert found.difference == pytest.approx((first - second).mean())
    assert found.standard_error == pytest.approx(stats.sem(first - second))
    assert found.p_t_test == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert found.p_sign_flip == pytest.approx(found.p_t_test, abs=0.02)


def exact(values: np.ndarray) -> float:
    """The share of all assignments of signs with a sum as far from zero."""
    sums = np.array([abs(values @ signs) for signs in product([-1, 1], repeat=len(values))])
    return float((sums >= abs(values.sum()) - 1e-9).mean())


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("block", [16, 2**22])
def test_sign_flips_come_near_all_flips(
    shift: float, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(significance, "BLOCK", block)
    values = np.random.default_rng(0).normal(shift, 0.5, 10)
    p = sign_flip_test(values)
    assert p == pytest.approx(exact(values), abs=0.015)
    assert p == sign_flip_test(values)
    assert p != sign_flip_test(values, seed=1)
    assert sign_flip_test(-values) == pytest.approx(p, abs=0.015)


def test_users_without_a_difference_do_not_count_in_the_flips() -> None:
    values = np.array([0.5, 0.0, -1.0, 0.0, 2.0, 1.0])
    assert sign_flip_test(values) == sign_flip_test(values[values != 0])


def test_ties_count_although_they_are_rounded() -> None:
    # Of three equal differences two assignments of eight are as far from zero.
    assert sign_flip_test(np.array([0.1, 0.1, 0.1])) == pytest.approx(0.25, abs=0.015)


def test_equal_models_and_constant_differences() -> None:
    same = compare(np.ones(4), np.ones(4))
    assert (same.difference, same.standard_error, same.p_t_test, same.p_sign_flip) == (0, 0, 1, 1)
    constant = compare(np.ones(20), np.zeros(20))
    assert (constant.difference, constant.p_t_test) == (1, 0)
    assert constant.p_sign_flip == pytest.approx(1 / 10_001)


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((1,), (1,)), ((2, 2), (2, 2))])
def test_what_are_no_pairs(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="'first' and 'second'"):
        compare(np.ones(shapes[0]), np.ones(shapes[1]))


def test_mean_and_error() -> None:
    mean, error = mean_and_error(np.array([1.0, 2.0, 6.0]))
    assert (mean, error) == pytest.approx((3.0, sqrt(14 / 2 / 3)))
