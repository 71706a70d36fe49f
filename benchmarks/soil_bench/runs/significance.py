"""Significance tests of two models over pairs of values, one pair per user or seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np


@dataclass(frozen=True)
class Comparison:
    """The result of the tests of paired differences.

    Args:
        difference (float): The mean.
        standard_error (float): The standard error of the mean.
        p_t_test (float): The p-value of the paired t-test of the mean, two-sided.
        p_wilcoxon (float): The p-value of Wilcoxon's signed-rank test, two-sided.
        pairs (int): The number of pairs.
    """

    difference: float
    standard_error: float
    p_t_test: float
    p_wilcoxon: float
    pairs: int


def compare(first: np.ndarray, second: np.ndarray) -> Comparison:
    """Tests the differences of paired values, first minus second.

    Raises:
        ValueError: If there are not at least two pairs.
    """
    from scipy import stats

    if first.shape != second.shape or first.ndim != 1 or len(first) < 2:
        raise ValueError(
            f"'first' and 'second' must be two or more pairs (got {first.shape}, {second.shape})"
        )
    differences = first.astype(np.float64) - second
    mean, error = mean_and_error(differences)
    # SciPy has no p-value for equal differences.
    by_t = float(mean == 0) if error == 0 else stats.ttest_1samp(differences, 0).pvalue
    is_same = not differences.any()
    return Comparison(
        difference=mean,
        standard_error=error,
        p_t_test=float(by_t),
        p_wilcoxon=1.0 if is_same else float(stats.wilcoxon(differences).pvalue),
        pairs=len(differences),
    )


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Returns the mean and its standard error.

    Args:
        values (numpy.ndarray): Two or more values.
    """
    return float(values.mean()), float(values.std(ddof=1) / sqrt(len(values)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns the p-values of several tests corrected by Holm's method: with each hypothesis
    rejected whose corrected p-value is at most 0.05, the chance of any false rejection is at most
    0.05.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected
