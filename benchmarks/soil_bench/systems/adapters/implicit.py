"""BPR of implicit: a step of SGD per interaction, on several threads at once."""

from soil_bench.systems.problem import Array, Problem
from soil_bench.systems.turns import Turns

DISTRIBUTIONS = ["implicit"]


def run(problem: Problem, turns: Turns) -> tuple[Array, Array]:
    """Trains the model and returns the embeddings of users and items."""
    import numpy as np
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from implicit.evaluation import ranking_metrics_at_k
    from scipy.sparse import csr_matrix

    settings = problem.settings
    size = settings.num_users, settings.num_items
    train, val = (
        csr_matrix((np.ones(pairs.shape[1], np.float32), pairs), size)
        for pairs in (problem.train, problem.val)
    )
    model = BayesianPersonalizedRanking(
        factors=settings.hidden_channels,
        learning_rate=settings.sgd_lr,
        regularization=settings.reg,
        iterations=1,
        num_threads=settings.threads,
        random_state=settings.seed,
    )
    for _ in turns.epochs():
        model.fit(train, show_progress=False)  # It goes on with the factors it has.

    def evaluate() -> None:
        # Its metrics at 20 have no recall.
        ranking_metrics_at_k(
            model, train, val, K=20, show_progress=False, num_threads=settings.threads
        )

    turns.evaluate(evaluate)
    return model.user_factors, model.item_factors
