import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch.optim import Adam, Optimizer
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.ranking.evaluator import Evaluator, compute_embeddings
from soil_pyg.runs.training_run import TrainingRun
from soil_pyg.training.batches_per_step import adam_options
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.progress import EpochProgress
from soil_pyg.training.ranks import Ranks
from soil_pyg.training.row_adam import RowAdam
from soil_pyg.training.sharded_data import ShardedData
from soil_pyg.training.sharded_run import ShardedRun
from soil_pyg.training.sharded_tables import ShardedTables
from soil_pyg.training.training_loss import TrainingLoss
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.random_state import seed_of


@dataclass(frozen=True)
class Session:
    """The objects of one call of :meth:`~soil_pyg.training.Trainer.fit`; :obj:`module` is the
    model as Fabric calls it. A model without parameters has no :obj:`loader`. With
    sharded :obj:`tables`, the run is a :class:`~soil_pyg.training.sharded_run.ShardedRun`.
    """

    ranks: Ranks
    model: Recommender
    module: torch.nn.Module
    data: HeteroData
    loader: PartitionLoader | None
    run: TrainingRun
    evaluator: Evaluator
    progress: EpochProgress
    batches_per_step: int = 1
    tables: ShardedTables | None = None

    @cached_property
    def shares(self) -> ShardedData:
        """The share of the data of this process."""
        return ShardedData(self.data, self.ranks)

    @contextmanager
    def on_data_device(self) -> Iterator[None]:
        """Moves the model to the whole data, which stays on the CPU if partitions are trained,
        unless its tables are sharded.
        """
        if self.tables is not None:
            yield
            return
        home = next((p.device for p in self.model.parameters()), None)
        self.model.to(self.data[INTERACTS].edge_index.device)
        try:
            yield
        finally:
            self.model.to(home)

    def evaluate(self, split: str) -> dict[str, float]:
        """Returns the metrics of the model on a split, :obj:`"val"` or :obj:`"test"`."""
        with self.run.timed("evaluate"), self.on_data_device():
            if self.tables is not None:
                return self.shares.evaluate(self.evaluator, self.module, split)
            return self.ranks.evaluate(self.evaluator, self.module, self.data, split)

    def load_best(self) -> None:
        """Loads the best weights, which rank 0 keeps, on all processes."""
        if isinstance(self.run, ShardedRun):
            return self.run.load_best(self.model)
        if self.ranks.rank == 0:
            self.model.load_state_dict(self.run.best)
        self.ranks.share_state(self.model)

    def make_optimizer(self, lr: float, weight_decay: float) -> Optimizer | None:
        """Returns the optimizer, or :obj:`None` for a model without parameters to train."""
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        if not parameters:
            return None
        options = adam_options(lr, self.batches_per_step) | {"weight_decay": weight_decay}
        assert self.loader is not None
        if self.loader.num_partitions > 1:
            optimizer: Optimizer = RowAdam(parameters, **options)
        else:
            optimizer = Adam(parameters, **options, fused=True)
        return cast(Optimizer, self.ranks.fabric.setup_optimizers(optimizer))

    def restore(self, optimizer: Optimizer | None) -> None:
        """Loads the state of the last complete epoch, if any, on all processes."""
        if optimizer is not None:
            self.run.restore(self.model, optimizer)
        if self.tables is None:
            self.ranks.share_state(self.model, optimizer)
        else:
            self.ranks.share_state(self.model, without=self.tables.node_type)

    def end_epoch(self, optimizer: Optimizer) -> None:
        """Keeps the state after an epoch."""
        if self.tables is None:
            self.ranks.first(lambda: self.run.end_epoch(self.model, optimizer))
        else:
            self.run.end_epoch(self.model, optimizer)

    def make_loss(self, compile: bool) -> TrainingLoss:
        """Returns the loss, of the whole data or of partitions."""
        is_partitioned = self.loader is not None and self.loader.num_partitions > 1
        is_split = self.ranks.size > 1 and not is_partitioned
        return TrainingLoss(self.model, is_partitioned, compile, is_split, self.tables)

    def start_epoch(self, optimizer: Optimizer, seed: int, lr: float, decay: float) -> None:
        """Sets the batches, the random numbers and the learning rate of the next epoch."""
        epoch = self.run.result.epochs
        assert self.loader is not None
        self.loader.set_epoch(epoch)
        seed_everything(seed_of(seed, epoch))
        lr = adam_options(lr, self.batches_per_step)["lr"]
        for group in optimizer.param_groups:
            group["lr"] = lr * decay
        self.model.train()
        self.model.epoch = epoch
        with self.on_data_device():
            self.model.on_epoch_start(self.data)

    def store_model(self, finished: bool) -> None:
        """Stores the best weights, which the model must hold, and their embeddings. Rank 0 writes,
        the others wait.
        """
        if isinstance(self.run, ShardedRun):
            sizes = self.model.num_users, self.model.num_items
            self.run.store_shards(self.shares.embed(self.module), self.data, sizes)
        else:
            self.ranks.first(lambda: self._store_model(finished))

    def _store_model(self, finished: bool) -> None:
        with self.on_data_device():
            embeddings = compute_embeddings(self.module, self.data)
            self.run.store_model(embeddings, self.data, finished)

    @contextmanager
    def stored_on_failure(self, out: str | os.PathLike[str] | None) -> Iterator[None]:
        """Stores the last complete epoch if the block is interrupted or loses another process."""
        run = self.run
        try:
            with self.ranks.explained():
                yield
        except ConnectionError:
            run.store()
            raise
        except KeyboardInterrupt as interruption:
            if run.go_back():
                run.store()
                if self.tables is None:
                    self.model.load_state_dict(run.best)
                    self._store_model(finished=False)
                epoch = f"after epoch {run.result.epochs}"
                interruption.args = (f"{epoch}; the same call with out='{out}' resumes",)
            raise
