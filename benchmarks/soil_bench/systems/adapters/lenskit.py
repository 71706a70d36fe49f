"""BPR and LightGCN of LensKit, presets of its matrix factorisation FlexMF."""

from soil_bench.systems.problem import Array, Problem
from soil_bench.systems.turns import Turns

DISTRIBUTIONS = ["lenskit", "torch"]


def run(problem: Problem, turns: Turns) -> tuple[Array, Array]:
    """Trains a model and returns the embeddings of users and items."""
    import numpy as np
    import pandas as pd
    import torch
    from lenskit.batch import recommend
    from lenskit.data import ItemListCollection, UserIDKey, from_interactions_df
    from lenskit.flexmf import FlexMFImplicitScorer
    from lenskit.metrics import Recall, RunAnalysis
    from lenskit.pipeline import topn_pipeline
    from lenskit.training import TrainingOptions

    settings = problem.settings
    torch.set_num_threads(settings.threads)
    train, val = (
        pd.DataFrame({"user_id": pairs[0], "item_id": pairs[1]})
        for pairs in (problem.train, problem.val)
    )
    dataset = from_interactions_df(train)
    layers = {"convolution_layers": settings.num_layers} if settings.model == "lightgcn" else {}
    scorer = FlexMFImplicitScorer(
        preset=settings.model,
        embedding_size=settings.hidden_channels,
        batch_size=settings.batch_size,
        learning_rate=settings.lr,
        regularization=settings.reg,
        **layers,
    )
    trainer = scorer.create_trainer(dataset, TrainingOptions(rng=settings.seed, device="cpu"))
    for _ in turns.epochs():
        trainer.train_epoch()
        scorer.trained_epochs += 1
    trainer.finalize()
    pipeline = topn_pipeline(scorer, n=20)
    pipeline.train(dataset, TrainingOptions(retrain=False))
    held_out = ItemListCollection.from_df(val, UserIDKey)
    users = np.unique(problem.val[0])

    def evaluate() -> float:
        lists = recommend(pipeline, users, n_jobs=1)
        found = RunAnalysis(Recall(20)).measure(lists, held_out).list_summary()
        return float(found["mean"].iloc[0])

    turns.evaluate(evaluate)
    model = scorer.model
    tables = (
        (model.u_layers.mean(0), model.i_layers.mean(0))
        if settings.model == "lightgcn"
        else (model.u_embed.weight, model.i_embed.weight)
    )
    vocabularies = dataset.users, dataset.items
    sizes = settings.num_users, settings.num_items
    embeddings = []
    for vocabulary, table, size in zip(vocabularies, tables, sizes, strict=True):
        full = np.zeros((size, settings.hidden_channels), np.float32)
        full[vocabulary.ids()] = table.detach().numpy()
        embeddings.append(full)
    return embeddings[0], embeddings[1]
