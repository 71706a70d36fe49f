import copy
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.datasets.tensors import read_into
from soil_pyg.models.base import Recommender
from soil_pyg.runs import checkpoint
from soil_pyg.runs.compatibility import upgrade_record
from soil_pyg.runs.identity import has_more_epochs, refuse_other_run, run_identity
from soil_pyg.runs.schema import FORMER_IDS, REMEDY, WEIGHTS
from soil_pyg.runs.state import (
    best_weights,
    copies,
    load_state,
    num_bytes,
    references,
    refuse_other_tensors,
    select,
)
from soil_pyg.runs.tensor_file import load_tensors, save_tensors
from soil_pyg.utils.files import remove
from soil_pyg.utils.records import check_files
from soil_pyg.utils.workplace import remove_debris

IN_MEMORY = 2**28
"""The largest state, in bytes, that is kept in memory after an epoch."""


@dataclass
class TrainResult:
    """The outcome of a training run.

    Args:
        best_epoch (int): The epoch with the best validation metric, counted from 1; :obj:`0` if
            the model was not trained. (default: :obj:`0`)
        epochs (int): The number of completed epochs. (default: :obj:`0`)
        val (dict[str, float]): The validation metrics of the best epoch.
        test (dict[str, float]): The test metrics of the best epoch.
        history (list[dict[str, Any]]): The :obj:`"epoch"`, its mean :obj:`"loss"` per term and
            its :obj:`"val"` metrics, for every epoch.
        seconds (dict[str, float]): The time spent to :obj:`"train"` and to :obj:`"evaluate"`, and
            in :obj:`"total"`, including the time before an interruption.
    """

    best_epoch: int = 0
    epochs: int = 0
    val: dict[str, float] = field(default_factory=dict)
    test: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(
        default_factory=lambda: {"train": 0.0, "evaluate": 0.0, "total": 0.0}
    )


class TrainingRun:
    """The state of a training run after its last complete epoch, which is kept in memory and
    stored in a folder, if given, every :obj:`checkpoint_seconds`, so that the run can be resumed.
    A state of more than :obj:`IN_MEMORY` bytes is stored after every epoch instead, and kept in
    the folder alone.

    The model, the data, the settings and the options of the trainer identify the run, but a run
    goes on with more epochs: one that has finished for lack of epochs keeps its state. With
    :obj:`overwrite`, the files of an earlier run stay until the first state or result is stored.

    Raises:
        ValueError: If the folder holds another run or a corrupt file, or if a setting or an
            option of the model is not a JSON value.
    """

    def __init__(
        self,
        model: Recommender,
        data: HeteroData,
        folder: str | os.PathLike[str] | None,
        settings: dict[str, Any],
        options: dict[str, Any],
        checkpoint_seconds: float,
        overwrite: bool = False,
        sharded: bool = False,
    ) -> None:
        self.result = TrainResult()
        self._sharded = sharded
        self.best: dict[str, Tensor] = {}
        self.finished = False
        self._folder = None if folder is None else Path(folder)
        self._identity: dict[str, Any] = {}
        self._snapshot: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        self._is_stored = False
        self._checkpoint_seconds = checkpoint_seconds
        self._replaces = overwrite
        if self._folder is not None:
            # Upgraded like the stored identity, from which it must not differ by names or defaults.
            self._identity = upgrade_record(run_identity(model, data, settings, options))
            self._folder.mkdir(parents=True, exist_ok=True)
            remove_debris(self._folder)
            if not overwrite:
                self._read(self._folder, model)
        self._begin = time.perf_counter() - self.result.seconds["total"]
        self._next_checkpoint = time.monotonic() + checkpoint_seconds

    def _read(self, folder: Path, model: Recommender) -> None:
        # The files of a run that has not finished may be newer: the state counts.
        run = checkpoint.load_run(folder, with_files=False)
        has_state = (folder / checkpoint.STATE).exists()
        if run is not None:
            lacks_epochs = run["finished"] and run["epochs"] == run["trainer"].get("epochs")
            may_go_on = has_state or not lacks_epochs
            refuse_other_run(folder, run, self._identity, may_go_on)
            goes_on = lacks_epochs and has_more_epochs(self._identity, run)
            if run["finished"] and not goes_on:
                self.finished = True
                check_files(folder / checkpoint.RUN, run["files"], run["files"], REMEDY)
                self.result = TrainResult(**{name: run[name] for name in asdict(self.result)})
                self.best = load_tensors(folder / WEIGHTS, verified=True)[0]
        if not self.finished and has_state:
            tensors, metadata = load_state(folder / checkpoint.STATE)
            refuse_other_run(folder, metadata["identity"], self._identity)
            if self._sharded is not ("shards" in metadata):
                raise ValueError(
                    f"'shard_tables' must be {not self._sharded} to resume the run in '{folder}' "
                    f"(got {self._sharded})"
                )
            without = model.node_parameters() if self._sharded else ()
            refuse_other_tensors(folder / checkpoint.STATE, tensors, model, without)
            self._snapshot, self._is_stored = (tensors, metadata), True
            self.go_back()

    @property
    def has_best(self) -> bool:
        """Returns whether there are best weights."""
        return bool(self.best)

    def restore(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Loads the stored state of the last complete epoch, if any."""
        if self._folder is None or self._snapshot is None:
            return
        tensors = self._snapshot[0]
        targets = {f"model.{name}": value for name, value in model.state_dict().items()}
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in select(tensors, "optimizer.").items():
            index, key = name.split(".", 1)
            moment = state.setdefault(int(index), {})[key] = torch.empty_like(tensor)
            targets[f"optimizer.{name}"] = moment
        read_into(self._folder / checkpoint.STATE, tensors, targets)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Adds the duration of a block to the seconds to :obj:`"train"` or :obj:`"evaluate"`."""
        begin = time.perf_counter()
        yield
        now = time.perf_counter()
        self.result.seconds[name] += now - begin
        self.result.seconds["total"] = now - self._begin

    def keep_best(self, model: torch.nn.Module, val: dict[str, float]) -> None:
        """Keeps the weights of the current epoch as the best ones, with their metrics. Large ones
        are not copied before :meth:`end_epoch`, which must come before the next step.
        """
        weights = model.state_dict()
        # Adam has two moments per weight.
        is_large = self._folder is not None and 3 * num_bytes(weights) > IN_MEMORY
        self.best = references(weights) if is_large else copies(weights)
        self.result.val = val
        self.result.best_epoch = self.result.epochs

    def end_epoch(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Keeps the state after an epoch, and stores it if the last checkpoint is old enough."""
        if self._folder is None:
            return
        tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
        is_current = self._identity["trainer"].get("evaluate", "current") == "current"
        if self.result.best_epoch < self.result.epochs or not is_current:
            tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
        is_large = num_bytes(tensors) > IN_MEMORY
        tensors = references(tensors) if is_large else copies(tensors)
        result = {name: copy.copy(value) for name, value in vars(self.result).items()}
        self._snapshot = tensors, {"identity": self._identity, "result": result}
        self._is_stored = False
        if is_large or time.monotonic() >= self._next_checkpoint:
            self.store()
        if is_large:
            # The next step changes the weights, but not the file.
            self._snapshot = load_tensors(self._folder / checkpoint.STATE, verified=True)
        self.best = best_weights(*self._snapshot)

    def store(self) -> None:
        """Stores the state of the last complete epoch."""
        if self._folder is not None and self._snapshot is not None and not self._is_stored:
            state = self._folder / checkpoint.STATE
            if self._replaces and state.is_dir():
                remove(state)
            save_tensors(state, *self._snapshot)
            if self._replaces:
                self._remove(*checkpoint.FILES, FORMER_IDS)
            self._replaces, self._is_stored = False, True
            self._next_checkpoint = time.monotonic() + self._checkpoint_seconds

    def go_back(self) -> bool:
        """Returns to the last complete epoch; :obj:`False` if there is none."""
        if self._snapshot is not None:
            self.result = TrainResult(**self._snapshot[1]["result"])
            self.best = best_weights(*self._snapshot)
        return self._snapshot is not None

    def store_model(
        self, embeddings: tuple[Tensor, Tensor], data: HeteroData, finished: bool
    ) -> None:
        """Stores the best weights and their embeddings of users and items for
        :func:`soil_pyg.load`; training and testing have :obj:`finished`, or can be resumed.
        """
        if self._folder is not None:
            lacks_epochs = self.result.epochs == self._identity["trainer"].get("epochs")
            if finished and lacks_epochs:
                self.store()
            self._remove(
                *((checkpoint.STATE, *checkpoint.FILES, FORMER_IDS) if self._replaces else ())
            )
            self._replaces = False
            run = {"finished": finished, **self._identity, **asdict(self.result)}
            checkpoint.save(self._folder, run, self.best, embeddings, data)
            if finished and not lacks_epochs:
                (self._folder / checkpoint.STATE).unlink(missing_ok=True)

    def _remove(self, *others: str) -> None:
        # Without its first file the folder holds no result, whatever interrupts this.
        assert self._folder is not None
        for name in (checkpoint.RUN, *others):
            remove(self._folder / name)
