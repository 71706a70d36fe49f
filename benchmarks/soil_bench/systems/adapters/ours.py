"""BPR and LightGCN of this package, trained by its trainer."""

import torch
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from soil_bench.systems.problem import Array, Problem
from soil_bench.systems.turns import Turns
from soil_pyg.models import BPR, LightGCN
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training import Trainer
from soil_pyg.typing import INTERACTS, ITEM, USER

DISTRIBUTIONS = ["torch", "torch_geometric"]


def run(problem: Problem, turns: Turns) -> tuple[Array, Array]:
    """Trains a model and returns the embeddings of users and items."""
    settings = problem.settings
    torch.set_num_threads(settings.threads)
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = settings.num_users, settings.num_items
    data[INTERACTS].edge_index = torch.from_numpy(problem.train)
    data[INTERACTS].val_edge_label_index = torch.from_numpy(problem.val)
    seed_everything(settings.seed)
    size = settings.num_users, settings.num_items
    channels = settings.hidden_channels
    model: BPR | LightGCN
    if settings.model == "bpr":
        model = BPR(*size, hidden_channels=channels, reg=settings.reg)
    else:
        layers = settings.num_layers
        model = LightGCN(*size, hidden_channels=channels, num_layers=layers, reg=settings.reg)
    data = model.graph_transform()(data)
    told = {"train": 0.0, "evaluate": 0.0}
    embeddings: list[Array] = []

    @torch.no_grad()
    def on_epoch(result: TrainResult) -> None:
        # The trainer evaluates after each epoch, and counts both times.
        recall = {"train": None, "evaluate": result.history[-1]["val"]["recall@20"]}
        for task, before in told.items():
            turns.end(task, result.seconds[task] - before, recall[task])
            told[task] = result.seconds[task]
            if task == "train" or result.epochs < settings.epochs:
                turns.wait()
        embeddings[:] = [x.numpy().copy() for x in model(data)]

    trainer = Trainer(
        lr=settings.lr,
        lr_decay=1.0,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        patience=settings.epochs,
        seed=settings.seed,
        accelerator="cpu",
        ks=(20,),
        progress=False,
    )
    turns.wait()
    trainer.fit(model, data, on_epoch=on_epoch, test=False)
    user_emb, item_emb = embeddings
    return user_emb, item_emb
