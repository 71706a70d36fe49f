"""Significance tests of two models over pairs of values, one pair per user."""

from dataclasses import dataclass
from math import atan, lgamma, pi, sqrt

import numpy as np

FLIPS = 10_000
BLOCK = 2**22
"""The number of entries in a block of signs."""


@dataclass(frozen=True)
class Comparison:
    """The result of the tests of the mean of paired differences.

    Args:
        difference (float): The mean.
        standard_error (float): The standard error of the mean.
        p_t_test (float): The p-value of the paired t-test, two-sided.
        p_sign_flip (float): The p-value of the permutation test, two-sided.
        pairs (int): The number of pairs.
    """

    difference: float
    standard_error: float
    p_t_test: float
    p_sign_flip: float
    pairs: int


def compare(first: np.ndarray, second: np.ndarray) -> Comparison:
    """Tests the differences of paired values, first minus second.

    Raises:
        ValueError: If there are not at least two pairs.
    """
    if first.shape != second.shape or first.ndim != 1 or len(first) < 2:
        raise ValueError(
            f"'first' and 'second' must be two or more pairs (got {first.shape}, {second.shape})"
        )
    differences = first.astype(np.float64) - second
    mean, error = mean_and_error(differences)
    return Comparison(
        difference=mean,
        standard_error=error,
        p_t_test=t_test(mean, error, len(differences)),
        p_sign_flip=sign_flip_test(differences),
        pairs=len(differences),
    )


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Returns the mean and its standard error.

    Args:
        values (numpy.ndarray): Two or more values.
    """
    return float(values.mean()), float(values.std(ddof=1) / sqrt(len(values)))


def t_test(mean: float, standard_error: float, count: int) -> float:
    """Returns the two-sided p-value of a mean under Student's t-distribution around zero."""
    if standard_error == 0:
        return 1.0 if mean == 0 else 0.0
    return t_tail(abs(mean) / standard_error, count - 1)


def t_tail(t: float, freedom: int) -> float:
    r"""Returns :math:`P(|T| > t)` of Student's t-distribution.

    With :math:`T = \sqrt{\nu} \tan \theta` its density is a constant times
    :math:`\cos^{\nu - 1} \theta`.
    """
    start = atan(t / sqrt(freedom))
    # Beyond this end the density has fallen by a factor of more than exp(40).
    end = min(pi / 2, start + 40 / (sqrt(freedom) * max(1.0, t)))
    nodes, weights = np.polynomial.legendre.leggauss(200)
    theta = start + (end - start) * (nodes + 1) / 2
    constant = lgamma((freedom + 1) / 2) - lgamma(freedom / 2) - lgamma(0.5)
    density = np.exp(constant + (freedom - 1) * np.log(np.cos(theta)))
    return min(1.0, float(weights @ density) * (end - start))


def sign_flip_test(differences: np.ndarray, flips: int = FLIPS, seed: int = 0) -> float:
    """Returns the two-sided p-value of the mean among means with random signs."""
    values = differences[differences != 0]
    if len(values) == 0:
        return 1.0
    rng = np.random.default_rng(seed)
    # Sums that differ only by rounding count as equal.
    least = abs(values.sum()) - 1e-9 * np.abs(values).sum()
    block = max(1, BLOCK // len(values))
    extreme = 0
    for start in range(0, flips, block):
        is_kept = rng.integers(0, 2, (min(block, flips - start), len(values)), dtype=np.int8)
        sums = 2 * (is_kept @ values) - values.sum()
        extreme += int((np.abs(sums) >= least).sum())
    return (1 + extreme) / (1 + flips)
