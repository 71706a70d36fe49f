from collections.abc import Mapping
from math import sqrt
from typing import Any, Literal, TypeAlias

from soil_pyg.models.base import Recommender
from soil_pyg.utils.checks import check_integer

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
    :class:`~soil_pyg.training.Trainer` mean for a model and the number of triplets per epoch: with
    partitions, one per process. Raises :class:`ValueError` if their batch size is out of range.

    Example:
        >>> from soil_pyg.models import SOIL
        >>> options = {"batches_per_step": "auto", "batch_size": 2048, "num_partitions": 1}
        >>> options["compile"] = False
        >>> [batches_per_step(options, SOIL, size) for size in (100_000, 1_000_000)]
        [1, 8]
    """
    if options["batches_per_step"] != "auto":
        return int(options["batches_per_step"])
    if options["num_partitions"] > 1:
        return int(options.get("devices", 1) * options.get("num_nodes", 1))
    if options["compile"] or not shares_tables(model_class):
        return 1
    check_integer("batch_size", options["batch_size"], 1)
    num_batches = -(-num_triplets // options["batch_size"])
    return int(-(-num_batches // STEPS))


def adam_options(lr: float, batches_per_step: int) -> dict[str, Any]:
    r"""Returns the options of Adam for steps on the mean gradient of several batches.

    With :math:`B` batches per step, the learning rate is multiplied by :math:`\sqrt{B}`, the
    :math:`1 - \beta` of both moments by :math:`B`, and :math:`\epsilon` by :math:`1 / \sqrt{B}`,
    from the `"On the SDEs and Scaling Rules for Adaptive Gradient Algorithms"
    <https://arxiv.org/abs/2205.10287>`_ paper: a step then moves the parameters about as far as
    :math:`B` steps on one batch each.

    Example:
        >>> adam_options(0.001, batches_per_step=4)
        {'lr': 0.002, 'betas': (0.6, 0.996), 'eps': 5e-09}
    """
    scale = sqrt(batches_per_step)
    betas = tuple(max(0.0, round(1 - batches_per_step * x, 9)) for x in (0.1, 0.001))
    return {"lr": lr * scale, "betas": betas, "eps": 1e-8 / scale}
