from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from soil_pyg.models.base import Recommender

BatchesPerStep: TypeAlias = int | Literal["auto"]

STEPS = 64
"""The largest number of steps per epoch by default."""


def shares_tables(model_class: type[Recommender]) -> bool:
    """Returns whether batches can share the propagation of a model: unless it overrides
    :meth:`~soil_pyg.models.Recommender.loss`.
    """
    return model_class.loss is Recommender.loss


def batches_per_step(
    options: Mapping[str, Any], model_class: type[Recommender], num_triplets: int
) -> int:
    """Returns the number of batches per step that the options of a
    :class:`~soil_pyg.training.Trainer` mean for a model and the number of triplets per epoch.

    Example:
        >>> from soil_pyg.models import SOIL
        >>> options = {"batches_per_step": "auto", "batch_size": 2048, "num_partitions": 1}
        >>> options["compile"] = False
        >>> [batches_per_step(options, SOIL, size) for size in (100_000, 1_000_000)]
        [1, 8]
    """
    if options["batches_per_step"] != "auto":
        return int(options["batches_per_step"])
    if options["num_partitions"] > 1 or options["compile"] or not shares_tables(model_class):
        return 1
    num_batches = -(-num_triplets // options["batch_size"])
    return -(-num_batches // STEPS)
