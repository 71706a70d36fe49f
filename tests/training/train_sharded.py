"""Trains models in partitions, with whole and with sharded tables, on as many processes as are
given, and saves their runs and results.

python train_sharded.py FOLDER DEVICES [STOP]
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from soil_pyg import models
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import modalities_of
from train_together import CASES

NUM_USERS, NUM_ITEMS = 61, 43
OPTIONS: dict[str, Any] = {
    **{"num_partitions": 5, "batches_per_step": 2, "batch_size": 512, "lr": 0.02},
    **{"epochs": 2, "progress": False, "accelerator": "cpu"},
}
NAMES = [
    *("bm3", "bpr", "damrs", "gume", "lightgcn", "mgcn", "mmgcn", "ngcf", "simgcl"),
    *("slmrec", "smore", "soil", "vbpr", "xsimgcl"),
]
"""The cases of all models whose tables can be sharded."""
EXACT = {"bpr", "lightgcn", "soil"}
"""Models that are trained on one process as well."""
STOPPED = "soil"
OF_FOUR = {"batches_per_step": 4}
"""Options of runs on up to four processes."""


class StoppedError(RuntimeError):
    """Ends a training after an epoch."""


def train(name: str, folder: Path, **others: Any) -> TrainResult:
    """Trains a model in a folder; :obj:`stop` is the epoch to stop after."""
    kind, options, graphs, _ = CASES[name]
    model_class = getattr(models, kind)
    data = model_class.graph_transform(**graphs)(SyntheticMultimodal(NUM_USERS, NUM_ITEMS)[0])
    sizes = {m: data["item"][f"x_{m}"].size(1) for m in modalities_of(data)}
    stop = others.pop("stop", None)
    trainer = Trainer(**{**OPTIONS, **others})
    torch.manual_seed(0)
    # One model is cut from whole tables, the others are never whole.
    with torch.device("meta" if trainer.shard_tables and name != "bpr" else "cpu"):
        model = model_class(NUM_USERS, NUM_ITEMS, sizes, **options)

    def on_epoch(result: TrainResult) -> None:
        if result.epochs == stop:
            raise StoppedError

    return trainer.fit(model, data, folder / name, on_epoch=on_epoch)


def main(folder: Path, devices: int) -> None:
    for name in NAMES:
        for kind, shard in {"whole": False, "sharded": True}.items():
            train(name, folder / kind, devices=devices, shard_tables=shard)
    stop(folder / "stopped", devices)


def stop(folder: Path, devices: int) -> None:
    with suppress(RuntimeError):
        train(STOPPED, folder, devices=devices, shard_tables=True, stop=1, **OF_FOUR)


def resume(folder: Path, devices: int) -> None:
    train(STOPPED, folder, devices=devices, shard_tables=True, **OF_FOUR)


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"main": main, "stop": stop, "resume": resume}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
