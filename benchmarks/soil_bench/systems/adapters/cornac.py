"""BPR of Cornac, a step of SGD per interaction, and its LightGCN, which is built on DGL."""

from typing import Any

from soil_bench.systems.problem import Array, Problem
from soil_bench.systems.turns import Turns

DISTRIBUTIONS = ["cornac", "dgl", "torch"]


def run(problem: Problem, turns: Turns) -> tuple[Array, Array]:
    """Trains a model and returns the embeddings of users and items."""
    import numpy as np
    from cornac.data import Dataset
    from cornac.eval_methods import ranking_eval
    from cornac.metrics import Recall

    settings = problem.settings
    train, val = ([(*pair, 1.0) for pair in x.T.tolist()] for x in (problem.train, problem.val))
    train_set = Dataset.from_uir(train, seed=settings.seed)
    maps = {"global_uid_map": train_set.uid_map, "global_iid_map": train_set.iid_map}
    val_set = Dataset.build(val, **maps, exclude_unknowns=True)
    if settings.model == "bpr":
        model = _train_bpr(problem, turns, train_set)
        tables = model.u_factors, model.i_factors
    else:
        model = _train_lightgcn(problem, turns, train_set, val_set)
        tables = model.U, model.V

    def evaluate() -> float:
        means, _ = ranking_eval(model, [Recall(k=20)], train_set, val_set, verbose=False)
        return float(means[0])

    turns.evaluate(evaluate)
    sizes = settings.num_users, settings.num_items
    embeddings = []
    for size, ids, table in zip(sizes, (train_set.uid_map, train_set.iid_map), tables, strict=True):
        full = np.zeros((size, table.shape[1]), np.float32)
        full[list(ids)] = table[list(ids.values())]
        embeddings.append(full)
    return embeddings[0], embeddings[1]


def _train_bpr(problem: Problem, turns: Turns, train_set: Any) -> Any:
    from cornac.models import BPR

    settings = problem.settings
    # With a seed it would use one thread.
    model = BPR(
        k=settings.hidden_channels,
        max_iter=1,
        learning_rate=settings.sgd_lr,
        lambda_reg=settings.reg,
        use_bias=False,
        num_threads=settings.threads,
    )
    for _ in turns.epochs():
        model.fit(train_set)  # It goes on with the factors it has.
    return model


def _train_lightgcn(problem: Problem, turns: Turns, train_set: Any, val_set: Any) -> Any:
    import torch
    from cornac.models import LightGCN

    settings = problem.settings
    torch.set_num_threads(settings.threads)
    epochs = turns.epochs()

    class InTurns(LightGCN):  # type: ignore[misc, unused-ignore]
        """Ends a turn where Cornac asks after each epoch whether to stop."""

        def monitor_value(self, train_set: Any, val_set: Any) -> float | None:
            """Returns that there is no value to stop by."""
            next(epochs, None)
            return None

    model = InTurns(
        emb_size=settings.hidden_channels,
        num_epochs=settings.epochs,
        learning_rate=settings.lr,
        batch_size=settings.batch_size,
        num_layers=settings.num_layers,
        lambda_reg=settings.reg,
        early_stopping={"patience": settings.epochs},
        seed=settings.seed,
    )
    next(epochs)
    model.fit(train_set, val_set)
    return model
