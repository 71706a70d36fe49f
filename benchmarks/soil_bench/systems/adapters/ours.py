"""BPR and LightGCN of this package, trained by its trainer."""

import torch
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from soil_bench.systems.problem import Array, Problem
from soil_bench.systems.turns import Turns
from soil_pyg.models import BPR, LightGCN
from soil_pyg.ranking import Evaluator
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
    embeddings: list[Array] = []

    class InTurns(Evaluator):
        """Evaluates in a turn between those of two epochs."""

        def evaluate(
            self, model: torch.nn.Module, data: HeteroData, split: str = "val"
        ) -> dict[str, float]:
            """Ends the turn of an epoch, and begins that of the next one."""
            turns.end("train")
            turns.begin()
            found = super().evaluate(model, data, split)
            turns.end("evaluate", found["recall@20"])
            embeddings[:] = [x.detach().numpy().copy() for x in model(data)]
            count.append(1)
            if len(count) < settings.epochs:
                turns.begin()
            return found

    count: list[int] = []
    trainer = Trainer(
        lr=settings.lr,
        lr_decay=1.0,
        batch_size=settings.batch_size,
        # A step per batch, as in all systems.
        batches_per_step=1,
        epochs=settings.epochs,
        patience=settings.epochs,
        seed=settings.seed,
        accelerator="cpu",
        progress=False,
    )
    trainer.evaluator = InTurns((20,))
    turns.begin()
    trainer.fit(model, data, test=False)
    user_emb, item_emb = embeddings
    return user_emb, item_emb
