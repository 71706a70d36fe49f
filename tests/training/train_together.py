"""Trains every model, on as many processes as are given, and saves what each process holds.

python train_together.py FOLDER DEVICES
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch_geometric.data import HeteroData

from soil_pyg import models
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS, modalities_of

NUM_USERS, NUM_ITEMS = 60, 40
STEPS = 14
SMALL = {"hidden_channels": 8}
PLAIN: dict[str, Any] = {"epochs": 2, "patience": 2, "progress": False, "accelerator": "cpu"}

CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "bm3": ("BM3", SMALL, {}, {}),
    "bpr": ("BPR", SMALL, {}, {}),
    "cohesion": ("COHESION", SMALL, {"k": 3, "user_k": 3}, {}),
    "damrs": ("DAMRS", SMALL | {"num_neighbours": 2}, {"k": 3}, {}),
    "dragon": ("DRAGON", SMALL, {"k": 3, "user_k": 3}, {}),
    "dualgnn": ("DualGNN", SMALL, {"user_k": 3}, {}),
    "freedom": ("FREEDOM", SMALL, {"k": 3}, {}),
    "grcn": ("GRCN", SMALL | {"latent_channels": 5}, {}, {}),
    # The noise of its users is drawn by each process.
    "gume": ("GUME", SMALL | {"noise": 0.0}, {"k": 3}, {}),
    "item_knn": ("ItemKNN", {}, {"k": 3}, {}),
    "lattice": ("LATTICE", SMALL | {"feature_channels": 5, "k": 3}, {"k": 3}, {}),
    "layergcn": ("LayerGCN", SMALL, {}, {}),
    "lgmrec": ("LGMRec", SMALL | {"num_hyperedges": 3}, {}, {}),
    "lightgcn": ("LightGCN", SMALL, {}, {}),
    "mentor": ("MENTOR", SMALL, {"k": 3}, {}),
    "mgcn": ("MGCN", SMALL, {"k": 3}, {}),
    "mmgcn": ("MMGCN", SMALL | {"latent_channels": 5}, {}, {}),
    "mmgf": ("MMGF", {}, {"k": 3, "k_modality": 2}, {}),
    "ngcf": ("NGCF", SMALL, {}, {}),
    "pgl": ("PGL", SMALL | {"dropout": 0.0}, {"k": 3}, {}),
    "popularity": ("Popularity", {}, {}, {}),
    "sgl": ("SGL", SMALL, {}, {}),
    "simgcl": ("SimGCL", SMALL, {}, {}),
    "slmrec": ("SLMRec", SMALL, {}, {}),
    "smore": ("SMORE", SMALL, {"k": 3}, {}),
    "soil": ("SOIL", SMALL, {"k": 3, "k_i": 2}, {}),
    "soil_info_nce": ("SOIL", SMALL | {"contrast": "info_nce"}, {"k": 3, "k_i": 2}, {}),
    "soil_several": ("SOIL", SMALL, {"k": 3, "k_i": 2}, {"batches_per_step": 3}),
    "soil_bf16": ("SOIL", SMALL, {"k": 3, "k_i": 2}, {"precision": "bf16-mixed"}),
    "vbpr": ("VBPR", SMALL, {}, {}),
    "xsimgcl": ("XSimGCL", SMALL, {}, {}),
    "partitions": (
        *("SOIL", SMALL, {"k": 3, "k_i": 2}),
        {"num_partitions": 5, "batches_per_step": 4, "batch_size": 8},
    ),
    "noisy_partitions": (
        *("NGCF", SMALL, {}),
        {"num_partitions": 5, "batches_per_step": 4, "batch_size": 8},
    ),
    "learned_partitions": (
        *("LATTICE", SMALL | {"feature_channels": 5, "k": 3}, {"k": 3}),
        {"num_partitions": 5, "batches_per_step": 4, "batch_size": 8},
    ),
    "pairs_of_partitions": (
        *("SOIL", SMALL, {"k": 3, "k_i": 2}),
        {"num_partitions": 5, "batches_per_step": 2, "batch_size": 8},
    ),
}
"""The model, its options, those of its graphs and those of the trainer."""


def train(name: str, data: HeteroData, folder: Path, devices: int) -> None:
    kind, options, graphs, others = CASES[name]
    model_class = getattr(models, kind)
    data = model_class.graph_transform(**graphs)(data.clone())
    torch.manual_seed(0)
    sizes = {m: data["item"][f"x_{m}"].size(1) for m in modalities_of(data)}
    model = model_class(NUM_USERS, NUM_ITEMS, sizes, **options)
    # The last batch of an epoch has one triplet, which leaves a process without any.
    batch_size = (data[INTERACTS].edge_index.size(1) - 2) // (STEPS // 2 - 1)
    trainer = Trainer(**PLAIN | {"batch_size": batch_size} | others, devices=devices)
    result = trainer.fit(model, data, folder / name if devices == 1 else folder / "run" / name)
    rank = trainer.launch().rank
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()} or {"_": torch.ones(1)},
        folder / f"{name}.{rank}.safetensors",
    )
    found = {"val": result.val, "test": result.test, "history": result.history}
    (folder / f"{name}.{rank}.json").write_text(json.dumps(found))


def disagree(devices: int) -> list[str]:
    """Returns the errors that this process sees where only one of all fails."""
    ranks = Trainer(**PLAIN, devices=devices).launch()

    def fail(rank: int) -> int:
        if ranks.rank == rank:
            raise FloatingPointError(f"from {rank}")
        return ranks.rank

    seen = [repr(ranks.each(lambda: fail(-1))), repr(ranks.share(ranks.rank))]
    last = devices - 1
    for call in (lambda: ranks.each(lambda: fail(last)), lambda: ranks.first(lambda: fail(0))):
        try:
            call()
        except FloatingPointError as error:
            seen.append(str(error))
    return seen


def lose(devices: int) -> str:
    """Trains with a loss that is infinite on the last process alone, and returns the error."""
    data = SyntheticMultimodal(NUM_USERS, NUM_ITEMS)[0]
    model = models.BPR(NUM_USERS, NUM_ITEMS)
    trainer = Trainer(**PLAIN, devices=devices)
    is_last = trainer.launch().rank == devices - 1
    factor = torch.inf if is_last else 1
    model.bpr_loss.register_forward_hook(lambda module, inputs, loss: loss * factor)
    try:
        trainer.fit(model, data)
    except FloatingPointError as error:
        return str(error)
    return ""


def main(folder: Path, devices: int, names: list[str]) -> None:
    data = SyntheticMultimodal(NUM_USERS, NUM_ITEMS)[0]
    for name in names or CASES:
        if name != "pairs_of_partitions" or devices <= 2:
            train(name, data, folder, devices)
    rank = Trainer(**PLAIN, devices=devices).launch().rank
    errors = {"disagree": disagree(devices), "lose": lose(devices)}
    (folder / f"errors.{rank}.json").write_text(json.dumps(errors))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
