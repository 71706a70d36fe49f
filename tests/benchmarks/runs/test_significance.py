from math import sqrt

import numpy as np
import pytest

from soil_bench.runs.significance import compare, holm, mean_and_error


@pytest.mark.parametrize("shift", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("size", [3, 60])
def test_comparison_is_that_of_scipy(shift: float, size: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    first, second = rng.random(size) + shift, rng.random(size)
    found = compare(first, second)
    assert found.pairs == size
    assert found.difference == pytest.approx((first - second).mean())
    assert found.standard_error == pytest.approx(stats.sem(first - second))
    assert found.p_t_test == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert found.p_wilcoxon == pytest.approx(stats.wilcoxon(first, second).pvalue)


def test_wilcoxon_of_few_pairs_by_all_signs() -> None:
    differences = np.array([0.3, -0.1, 0.5, 0.2])
    ranks = np.array([3, 1, 4, 2])
    least = min(ranks[differences > 0].sum(), ranks[differences < 0].sum())
    signs = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1)
    sums = ranks @ signs
    expected = 2 * (sums <= least).mean()
    assert compare(differences, np.zeros(4)).p_wilcoxon == pytest.approx(expected)


def test_equal_models_and_constant_differences() -> None:
    same = compare(np.ones(4), np.ones(4))
    assert (same.difference, same.standard_error, same.p_t_test, same.p_wilcoxon) == (0, 0, 1, 1)
    constant = compare(np.ones(20), np.zeros(20))
    assert (constant.difference, constant.p_t_test) == (1, 0)
    assert constant.p_wilcoxon < 1e-4


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((1,), (1,)), ((2, 2), (2, 2))])
def test_what_are_no_pairs(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="'first' and 'second'"):
        compare(np.ones(shapes[0]), np.ones(shapes[1]))


def test_mean_and_error() -> None:
    mean, error = mean_and_error(np.array([1.0, 2.0, 6.0]))
    assert (mean, error) == pytest.approx((3.0, sqrt(14 / 2 / 3)))


def rejected(p_values: list[float], level: float) -> set[int]:
    """Returns the hypotheses that Holm's procedure rejects: from the smallest p-value on, until
    one is too large for the number of hypotheses that are left.
    """
    out: set[int] = set()
    for place in sorted(range(len(p_values)), key=lambda n: p_values[n]):
        if p_values[place] > level / (len(p_values) - len(out)):
            return out
        out.add(place)
    return out


@pytest.mark.parametrize("seed", range(5))
def test_holm_rejects_as_the_procedure_does(seed: int) -> None:
    p_values = (np.random.default_rng(seed).random(12) ** 4).tolist()
    corrected = holm(p_values)
    for level in (0.001, 0.01, 0.05, 0.2):
        assert {n for n, p in enumerate(corrected) if p <= level} == rejected(p_values, level)


def test_holm_of_known_values() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
