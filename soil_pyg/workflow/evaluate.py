"""The metrics of a trained model on held-out interactions."""

import os
from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.ranking.group_metrics import check_group_metrics, evaluate_groups
from soil_pyg.ranking.held_out import held_out
from soil_pyg.ranking.metrics import CATALOGUE_METRICS, DEFAULT_METRICS, check_metrics
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import HELD_OUT_SPLITS
from soil_pyg.utils.checks import check_choice, check_flag, check_integer
from soil_pyg.workflow.final import FINAL
from soil_pyg.workflow.run_data import load_run_data, open_run


class _Embeddings(torch.nn.Module):
    def __init__(self, trained: TrainedModel) -> None:
        super().__init__()
        self.embeddings = trained.user_emb, trained.item_emb

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        return self.embeddings


def evaluate(
    trained: TrainedModel | str | os.PathLike[str],
    splits: str | Sequence[str] = HELD_OUT_SPLITS,
    ks: Sequence[int] | None = None,
    per_user: bool = False,
    data: HeteroData | str | os.PathLike[str] | None = None,
    memory_budget: int = 2**30,
    metrics: Sequence[str] = DEFAULT_METRICS,
    by: str | None = None,
) -> pd.DataFrame:
    """Ranks all items for every user with held-out items and computes the metrics, see
    :class:`~soil_pyg.ranking.Evaluator`.

    Args:
        trained (TrainedModel, str or os.PathLike): The trained model, as returned by
            :func:`soil_pyg.load`, or its folder.
        splits (str or Sequence[str]): :obj:`"val"`, :obj:`"test"` or a list of both.
            (default: :obj:`("val", "test")`)
        ks (Sequence[int], optional): The list lengths. (default: those of the training)
        per_user (bool): Whether to return the metrics of each user. (default: :obj:`False`)
        data (HeteroData, str or os.PathLike, optional): The data or its folder.
            (default: the folder that the run was trained on)
        memory_budget (int): The maximum number of bytes per block of scores.
            (default: :obj:`2**30`)
        metrics (Sequence[str]): The metrics, see :class:`~soil_pyg.ranking.Evaluator`.
            (default: :obj:`("recall", "ndcg", "precision", "map")`)
        by (str, optional): Groups the metrics by :obj:`"user_history"`, :obj:`"item_popularity"` or
            :obj:`"cold_items"`, see :func:`~soil_pyg.ranking.evaluate_groups`.
            (default: :obj:`None`)

    Returns:
        A table with the column :obj:`metric` and one column per split. With :obj:`per_user`, one
        row per split and user, with the columns :obj:`split`, :obj:`user` and one per metric of a
        user. With :obj:`by`, one row per split and group, with the columns :obj:`split`,
        :obj:`lowest` and :obj:`highest` (number of training interactions), :obj:`num_users` and one
        per metric.

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If an argument is out of range, a split is empty, or the data is not that of
            the run.
        FloatingPointError: If a score is not finite.
    """
    check_flag("per_user", per_user)
    check_integer("memory_budget", memory_budget, 1)
    splits = [splits] if isinstance(splits, str) else splits
    if not isinstance(splits, Collection) or not splits:
        raise ValueError(f"'splits' must name at least one split (got {splits!r})")
    for split in splits:
        check_choice("splits", split, HELD_OUT_SPLITS)
    check_metrics(metrics)
    if by is not None:
        check_group_metrics(metrics, by)
    if per_user and by is not None:
        raise ValueError(f"'by' must be None with per_user=True (got {by!r})")
    if per_user and set(metrics) <= set(CATALOGUE_METRICS):
        raise ValueError(
            f"'metrics' must name one of a single user with per_user=True (got {list(metrics)})"
        )
    trained = open_run(trained)
    if FINAL in trained.settings:
        raise ValueError(
            "'trained' must be a run with held-out interactions (got "
            f"'{trained.folder}', which was trained on all): evaluate the run that it repeats"
        )
    known = trained.model.num_users, trained.model.num_items
    if known != (len(trained.user_emb), len(trained.item_emb)):
        raise ValueError(
            "'trained' must be a run without new users and items, which have no held-out "
            f"interactions (got {len(trained.user_emb) - known[0]} and "
            f"{len(trained.item_emb) - known[1]}): load it again"
        )
    ks = trained.run["trainer"]["ks"] if ks is None else ks
    evaluator = Evaluator(ks, memory_budget, metrics)
    data = load_run_data(trained, data)
    model = _Embeddings(trained)
    splits = list(dict.fromkeys(splits))
    if by is not None:
        rows = [
            {"split": split, **vars(group), **group.metrics}
            for split in splits
            for group in evaluate_groups(evaluator, model, data, split, by)
        ]
        return pd.DataFrame(rows).drop(columns="metrics")
    columns: dict[str, list[Any]] = {"metric": evaluator.names}
    frames = []
    for split in splits:
        values, of_all = evaluator.evaluate_lists(model, data, split)
        users = trained.user_id[torch.unique(held_out(data, split)[0]).numpy(force=True)]
        frames.append(pd.DataFrame({"split": split, "user": users, **values}))
        means = {name: float(value.mean()) for name, value in values.items()} | of_all
        columns[split] = [means[name] for name in evaluator.names]
    return pd.concat(frames, ignore_index=True) if per_user else pd.DataFrame(columns)
