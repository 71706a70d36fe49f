"""Trains models in partitions, with whole or with sharded tables, on as many processes as are given,
and saves the tables and the results.

python train_sharded.py FOLDER DEVICES SHARD [CASE ...]
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from soil_pyg import models
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import modalities_of

NUM_USERS, NUM_ITEMS = 61, 43
OPTIONS: dict[str, Any] = {"hidden_channels": 8}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "bpr": ("BPR", OPTIONS, {}),
    "lightgcn": ("LightGCN", OPTIONS, {}),
    "soil": ("SOIL", OPTIONS, {"k": 3, "k_i": 2}),
}
"""The model, its options and those of its graphs."""


def train(
    name: str, folder: Path, devices: int, shard: bool, on_meta: bool, **others: Any
) -> None:
    kind, options, graphs = CASES[name]
    model_class = getattr(models, kind)
    data = model_class.graph_transform(**graphs)(SyntheticMultimodal(NUM_USERS, NUM_ITEMS)[0])
    sizes = {m: data["item"][f"x_{m}"].size(1) for m in modalities_of(data)}
    place = {"accelerator": "cpu", "devices": devices, "shard_tables": shard}
    steps = {"num_partitions": 5, "batches_per_step": 4, "batch_size": 8}
    plain = {"epochs": 3, "patience": 3, "progress": False}
    trainer = Trainer(**place, **{**steps, **plain, **others})
    torch.manual_seed(0)
    with torch.device("meta" if shard and on_meta else "cpu"):
        model = model_class(NUM_USERS, NUM_ITEMS, sizes, **options)
    result = trainer.fit(model, data, folder / name)
    found = {"val": result.val, "test": result.test, "history": result.history}
    rank = trainer.launch().rank
    (folder / f"{name}.{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for case in sys.argv[4:] or CASES:
        train(case, Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True", case != "bpr")
