import copy
import os
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.runs.checkpoint import STATE
from soil_pyg.runs.schema import WEIGHTS
from soil_pyg.runs.shards import SHARDS, Shards, shard_paths
from soil_pyg.runs.state import copies, select
from soil_pyg.runs.tensor_file import save_tensors
from soil_pyg.runs.training_run import TrainingRun
from soil_pyg.training.ranks import Ranks
from soil_pyg.training.sharded_tables import ShardedTables
from soil_pyg.typing import ITEM, USER
from soil_pyg.utils.files import digest_of, remove


class ShardedRun(TrainingRun):
    """The state of a training run whose tables are sharded over processes, all of which make the
    same calls.

    After every epoch, each process stores its rows and their moments in a file of the folder
    :obj:`shards`. The first one then stores the other tensors, and the names of these files, as the
    state. A run may be resumed by another number of processes. The result is that of other runs:
    the first process merges the files of the best epoch without a whole table in memory.

    Args:
        ranks (Ranks): The processes.
        tables (ShardedTables): The tables of the model.
        model, data, folder, settings, options, checkpoint_seconds, overwrite: See
            :class:`~soil_pyg.runs.training_run.TrainingRun`.
    """

    def __init__(
        self,
        ranks: Ranks,
        tables: ShardedTables,
        model: Recommender,
        data: HeteroData,
        folder: str | os.PathLike[str],
        settings: dict[str, Any],
        options: dict[str, Any],
        checkpoint_seconds: float,
        overwrite: bool = False,
    ) -> None:
        self._ranks, self._tables = ranks, tables
        self._out = Path(folder)
        self._shards = self._out / SHARDS
        others = settings, options, checkpoint_seconds, overwrite
        super().__init__(model, data, folder, *others, sharded=True)
        if ranks.rank == 0 and not (self._out / STATE).exists():
            remove(self._shards)

    @property
    def has_best(self) -> bool:
        """Returns whether there are best weights."""
        return self.result.best_epoch > 0

    def _paths(self, group: str) -> list[Path]:
        """Returns the files of the :obj:`"last"` or the :obj:`"best"` epoch."""
        assert self._snapshot is not None
        result, size = self._snapshot[1]["result"], self._snapshot[1]["shards"][group]
        return self._paths_of(result["epochs" if group == "last" else "best_epoch"], size)

    def _paths_of(self, epoch: int, size: int) -> list[Path]:
        # Files of a run that this one replaces have other names.
        own = digest_of({**self._identity, "trainer": None})[:8]
        return shard_paths(self._shards, f"{own}-{epoch}", size)

    def restore(self, model: Module, optimizer: Optimizer) -> None:
        """Loads the stored state of the last complete epoch, if any."""
        if self._snapshot is None:
            return
        shards, tensors = Shards(self._paths("last")), self._snapshot[0]
        self._load(model, shards, "model.", select(tensors, "model."))
        names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in select(tensors, "optimizer.").items():
            index, moment = key.split(".", 1)
            state.setdefault(int(index), {})[moment] = tensor.clone()
        for key in shards.names():
            group, index, moment = (*key.split(".", 2), "")[:3]
            if group == "optimizer":
                table = model.get_parameter(names[int(index)])
                state[int(index)][moment] = torch.empty_like(table, requires_grad=False)
                self._read_rows(shards, key, names[int(index)], state[int(index)][moment])
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})

    def load_best(self, model: Module) -> None:
        """Loads the best weights."""
        if self.finished:
            weights = Shards([self._out / WEIGHTS])
            return self._load(model, weights, "", self.best)
        self._load(model, Shards(self._paths("best")), "model.", self.best)

    def _load(self, model: Module, shards: Shards, prefix: str, others: dict[str, Tensor]) -> None:
        parts, rest = self._tables.tensors(model)
        for name, part in parts.items():
            self._read_rows(shards, prefix + name, name, part)
        for name, tensor in rest.items():
            tensor.copy_(others[name])

    def _read_rows(self, shards: Shards, key: str, table: str, target: Tensor) -> None:
        num_rows = self._tables.num_rows[table]
        shards.read(key, target, num_rows, self._ranks.rank, self._ranks.size)

    def keep_best(self, model: Module, val: dict[str, float]) -> None:
        """Keeps the weights of the current epoch as the best ones, with their metrics; the tables
        are in the files that :meth:`end_epoch` writes.
        """
        self.best = copies(self._tables.tensors(model)[1])
        self.result.val, self.result.best_epoch = val, self.result.epochs

    def end_epoch(self, model: Module, optimizer: Optimizer) -> None:
        """Stores the state after an epoch."""
        parts, others = self._tables.tensors(model)
        rows = {f"model.{name}": part for name, part in parts.items()}
        tensors = {f"model.{name}": tensor for name, tensor in others.items()}
        names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        for index, state in optimizer.state_dict()["state"].items():
            for moment, value in state.items():
                is_part = names[index] in parts and value.dim() > 0
                (rows if is_part else tensors)[f"optimizer.{index}.{moment}"] = value
        result = {name: copy.copy(value) for name, value in vars(self.result).items()}
        is_best = self.result.best_epoch == self.result.epochs
        if not is_best:
            tensors |= {f"best.{name}": value for name, value in self.best.items()}
        size = self._ranks.size
        best = size if is_best or self._snapshot is None else self._snapshot[1]["shards"]["best"]
        shards = {"last": size, "best": best}
        metadata = {"identity": self._identity, "result": result, "shards": shards}
        path = self._paths_of(self.result.epochs, size)[self._ranks.rank]
        self._ranks.each(lambda: save_tensors(path, rows))
        self._snapshot, self._is_stored = (copies(tensors), metadata), False
        self._ranks.first(self.store)

    def store(self) -> None:
        """Stores the state of the last complete epoch; the first process does."""
        if self._ranks.rank == 0:
            super().store()
            if self._snapshot is not None and self._shards.exists():
                kept = {*self._paths("last"), *self._paths("best")}
                for path in set(self._shards.iterdir()) - kept:
                    remove(path)

    def store_shards(
        self, embeddings: tuple[Tensor, Tensor], data: HeteroData, num_rows: tuple[int, int]
    ) -> None:
        """Stores the best weights and their embeddings, of which each process has its rows, for
        :func:`soil_pyg.load`. Training and testing have finished.
        """
        ranks = self._ranks
        parts = dict(zip((USER, ITEM), embeddings, strict=True))
        paths = shard_paths(self._shards, "embeddings", ranks.size)
        ranks.each(lambda: save_tensors(paths[ranks.rank], parts))
        ranks.first(lambda: self._merge(paths, data, dict(zip(parts, num_rows, strict=True))))

    def _merge(self, paths: list[Path], data: HeteroData, num_rows: dict[str, int]) -> None:
        with TemporaryDirectory(dir=self._shards) as folder:
            shards, number = Shards(self._paths("best")), count()
            for name, rows in self._tables.num_rows.items():
                path = Path(folder, str(next(number)))
                self.best[name] = shards.merge(f"model.{name}", rows, path)
            shards = Shards(paths)
            whole = [shards.merge(k, n, Path(folder, k)) for k, n in num_rows.items()]
            self.store_model((whole[0], whole[1]), data, finished=True)
            self.best = {k: v for k, v in self.best.items() if k not in self._tables.num_rows}
        if not (self._out / STATE).exists():
            remove(self._shards)
        else:
            for path in paths:
                remove(path)
