from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.ranking.held_out import held_out
from soil_pyg.training.make_fabric import Strategy, make_fabric
from soil_pyg.typing import ITEM, USER
from soil_pyg.utils.checks import (
    check_at_least,
    check_choice,
    check_flag,
    check_greater,
    check_integer,
)
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.utils.hetero import check_hetero

EvaluatedWeights = Literal["current", "last_forward"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def check_options(options: Mapping[str, Any]) -> None:
    """Raises :class:`ValueError` unless the options of a :class:`~soil_pyg.training.Trainer` are
    within their ranges and fit together.
    """
    for name in ("batch_size", "epochs", "patience", "num_partitions", "devices", "num_nodes"):
        check_integer(name, options[name], 1)
    if options["batches_per_step"] != "auto":
        check_integer("batches_per_step", options["batches_per_step"], 1)
    check_integer("seed", options["seed"], 0)
    for name in ("lr", "lr_decay", "lr_decay_epochs"):
        check_greater(name, options[name], 0)
    for name in ("weight_decay", "checkpoint_seconds"):
        check_at_least(name, options[name], 0)
    for name in ("released_stopping", "compile", "progress", "shard_tables"):
        check_flag(name, options[name])
    check_choice("evaluate", options["evaluate"], get_args(EvaluatedWeights))
    check_choice("precision", options["precision"], get_args(Precision))
    check_choice("strategy", options["strategy"], get_args(Strategy))
    devices, num_nodes = options["devices"], options["num_nodes"]
    place = options["strategy"], devices, num_nodes
    make_fabric(options["accelerator"], options["precision"], *place)
    num_partitions, compile = options["num_partitions"], options["compile"]
    if options["evaluate"] != "current" and num_partitions > 1:
        raise ValueError(
            "'evaluate' must be 'current' for more than one partition "
            f"(got '{options['evaluate']}' with num_partitions={num_partitions})"
        )
    if options["shard_tables"] and num_partitions == 1:
        raise ValueError("'num_partitions' must be at least 2 with shard_tables=True (got 1)")
    if compile and devices * num_nodes > 1:
        raise ValueError(
            "'compile' must be False for more than one process "
            f"(got devices={devices} with num_nodes={num_nodes})"
        )
    if compile and num_partitions > 1:
        raise ValueError(
            "'compile' must be False for more than one partition "
            f"(got num_partitions={num_partitions})"
        )
    if options["batches_per_step"] == "auto":
        return
    size = options["batches_per_step"]
    if compile and size > 1:
        raise ValueError(f"'batches_per_step' must be 1 for a compiled loss (got {size})")
    if num_partitions > 1 and size > num_partitions:
        raise ValueError(
            f"'batches_per_step' must be at most the {num_partitions} partitions (got {size})"
        )
    if num_partitions > 1 and size % (devices * num_nodes) > 0:
        raise ValueError(
            f"'batches_per_step' must be a multiple of the {devices * num_nodes} processes with "
            f"num_partitions={num_partitions} (got {size})"
        )


def check_fit(model: Recommender, data: HeteroData, splits: Sequence[str]) -> None:
    """Raises :class:`ValueError` unless the data fits the model and has the held-out splits."""
    if not isinstance(model, Recommender):
        raise ValueError(
            "'model' must be a Recommender, which is compiled by compile=True (got "
            f"{type(model).__name__})"
        )
    check_hetero(data)
    for node_type, size in {USER: model.num_users, ITEM: model.num_items}.items():
        if size != (num_nodes := count_nodes(data, node_type)):
            raise ValueError(
                f"'model' must have the {num_nodes} nodes of type "
                f"'{node_type}' of the data (got {size})"
            )
    for split in splits:
        held_out(data, split)
