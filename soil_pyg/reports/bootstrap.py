"""Intervals of metrics by resampling the users of one run."""

from collections.abc import Mapping

import numpy as np

from soil_pyg.utils.progress import blocks

NUM_SAMPLES = 1_000
"""The number of samples of the users."""
MIN_SAMPLES = 200
MAX_DRAWS = 200_000_000
"""The number of drawn users beyond which fewer samples are drawn."""
ENDS = (0.025, 0.975)
"""The quantiles of the means over the samples that bound an interval."""


def bootstrap_intervals(
    values: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Returns the 95 % interval of the mean of each metric over users, by the bootstrap.

    Each sample draws as many users as there are, with replacement, for all metrics together.

    Args:
        values (Mapping[str, numpy.ndarray]): The value of each user, in the same order, by metric.
        seed (int, optional): The seed of the samples. (default: :obj:`0`)

    Example:
        >>> bootstrap_intervals({"recall@20": np.array([0.0, 1.0] * 50)})
        {'recall@20': (0.4, 0.6)}
    """
    table = np.stack([*values.values()], axis=1).astype(np.float64)
    num_users = len(table)
    num_samples = min(NUM_SAMPLES, max(MIN_SAMPLES, MAX_DRAWS // num_users))
    rng = np.random.default_rng(seed)
    means = np.empty((num_samples, table.shape[1]))
    for sample in blocks(num_samples, 1, "Resampling users"):
        drawn = rng.integers(num_users, size=num_users)
        count = np.bincount(drawn, minlength=num_users).astype(np.float64)
        means[sample.start] = count @ table / num_users
    low, high = np.quantile(means, ENDS, axis=0).tolist()
    return dict(zip(values, zip(low, high, strict=True), strict=True))
