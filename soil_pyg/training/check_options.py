from collections.abc import Mapping
from typing import Any, Literal, get_args

from soil_pyg.training.epoch import make_fabric
from soil_pyg.utils.checks import (
    check_at_least,
    check_choice,
    check_flag,
    check_greater,
    check_integer,
)

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def check_options(options: Mapping[str, Any]) -> None:
    """Raises :class:`ValueError` unless the options of a :class:`~soil_pyg.training.Trainer` are
    within their ranges and fit together.
    """
    for name in ("batch_size", "epochs", "patience", "num_partitions"):
        check_integer(name, options[name], 1)
    if options["batches_per_step"] != "auto":
        check_integer("batches_per_step", options["batches_per_step"], 1)
    check_integer("seed", options["seed"], 0)
    for name in ("lr", "lr_decay", "lr_decay_epochs"):
        check_greater(name, options[name], 0)
    for name in ("weight_decay", "checkpoint_seconds"):
        check_at_least(name, options[name], 0)
    for name in ("released_stopping", "compile", "progress"):
        check_flag(name, options[name])
    check_choice("precision", options["precision"], get_args(Precision))
    make_fabric(options["accelerator"], options["precision"])
    num_partitions, compile = options["num_partitions"], options["compile"]
    if compile and num_partitions > 1:
        raise ValueError(
            "'compile' must be False for more than one partition "
            f"(got num_partitions={num_partitions})"
        )
    if options["batches_per_step"] not in ("auto", 1) and (compile or num_partitions > 1):
        cause = "a compiled loss" if compile else "more than one partition"
        raise ValueError(
            f"'batches_per_step' must be 1 for {cause} (got {options['batches_per_step']})"
        )
