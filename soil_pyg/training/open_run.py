import os
from typing import Any

from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.runs.training_run import TrainingRun
from soil_pyg.training.ranks import Ranks
from soil_pyg.training.sharded_run import ShardedRun
from soil_pyg.training.sharded_tables import ShardedTables


def open_run(
    ranks: Ranks,
    tables: ShardedTables | None,
    model: Recommender,
    data: HeteroData,
    out: str | os.PathLike[str] | None,
    *others: Any,
) -> TrainingRun:
    """Returns the run in a folder as every process sees it; the other arguments are those of
    :class:`~soil_pyg.runs.training_run.TrainingRun`. The first process alone reads and writes the
    folder, unless the tables are sharded.
    """
    if tables is not None and out is None:
        raise ValueError("'out' must be a folder with shard_tables=True (got None)")

    def opened(folder: str | os.PathLike[str] | None) -> TrainingRun:
        if tables is not None and folder is not None:
            return ShardedRun(ranks, tables, model, data, folder, *others)
        return TrainingRun(model, data, folder, *others)

    run = ranks.first(lambda: opened(out))
    run = run or opened(None if tables is None else out)
    run.result, run.finished = ranks.share((run.result, run.finished))
    return run
