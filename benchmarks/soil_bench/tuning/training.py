"""The training of a trial on data without its test split; interrupted ones are resumed."""

import copy
import json
import shutil
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.files import digest_of
from soil_pyg.workflow.options import ModelOptions, build_model, build_trainer

KEPT = 3
"""The number of data sets with graphs that are held in memory."""
Settings = dict[str, Any]
OnEpoch = Callable[[list[float]], None]


class FailedTrialError(RuntimeError):
    """The settings of a trial cannot be trained."""


def without_test(data: HeteroData) -> HeteroData:
    """Returns a copy of the data without its test split."""
    data = copy.copy(data)
    del data[INTERACTS].test_edge_label_index
    return data


class Graphs:
    """Data with the graphs of a model; those used last are held in memory.

    Args:
        selected (ModelOptions): The model.
        data (HeteroData): The data without graphs.
    """

    def __init__(self, selected: ModelOptions, data: HeteroData) -> None:
        self._selected = selected
        self._data = data
        self._kept: OrderedDict[str, HeteroData] = OrderedDict()

    def get(self, settings: Settings) -> HeteroData:
        """Returns the data with the graphs of the settings.

        Raises:
            ValueError: If an option of the graphs is invalid.
        """
        options = self._selected.values_for("graphs", settings)
        key = json.dumps(options, sort_keys=True)
        if key not in self._kept:
            while len(self._kept) >= KEPT:
                self._kept.popitem(last=False)
            transform = self._selected.model_class.graph_transform(**options)
            self._kept[key] = transform(copy.copy(self._data).to(settings["device"]))
        self._kept.move_to_end(key)
        return self._kept[key]


@dataclass(frozen=True)
class Training:
    """Trains settings over seeds and returns their val metric.

    Args:
        selected (ModelOptions): The model.
        settings (dict[str, Any]): The device and the value of each option that is not searched.
        data (HeteroData): The data, without graphs and without a test split.
        root (Path): The folder for the checkpoints of trials.
        name (str): The study, which together with the searched options identifies a trial's folder.
        num_seeds (int): The number of seeds, from 0 on.
    """

    selected: ModelOptions
    settings: Settings
    data: HeteroData
    root: Path
    name: str
    num_seeds: int

    @cached_property
    def graphs(self) -> Graphs:
        """The data with the graphs of the model."""
        return Graphs(self.selected, self.data)

    def run(self, options: Settings, on_epoch: OnEpoch) -> float:
        """Returns the mean over the seeds of the best val metric.

        Args:
            options (dict[str, Any]): The values of the searched options.
            on_epoch (callable): Called with the val metric of every epoch so far while the first
                seed is trained; an exception ends the training.

        Raises:
            FailedTrialError: If the settings are invalid, or training diverges.
        """
        settings = self.settings | options
        metric = settings["metric"]

        def follow(result: TrainResult) -> None:
            on_epoch([epoch["val"][metric] for epoch in result.history])

        values = []
        for seed in range(self.num_seeds):
            result = self._fit(settings, seed, self.folder(options), follow)
            # A run that finished before an interruption has reported no epochs.
            if seed == 0:
                follow(result)
            values.append(result.val[metric])
        return fmean(values)

    def folder(self, options: Settings) -> Path:
        """Returns the folder of a trial."""
        return self.root / digest_of([self.name, options])[:16]

    def forget(self, options: Settings) -> None:
        """Deletes the folder of a trial."""
        shutil.rmtree(self.folder(options), ignore_errors=True)

    def _fit(
        self, settings: Settings, seed: int, folder: Path, follow: Callable[[TrainResult], None]
    ) -> TrainResult:
        try:
            trainer: Trainer = build_trainer(self.selected, settings, seed)
            data = self.graphs.get(settings)
            seed_everything(seed)
            model = build_model(self.selected, settings, data)
        except ValueError as error:
            raise FailedTrialError(str(error)) from error
        try:
            return trainer.fit(
                model,
                data,
                out=folder / f"seed{seed}",
                settings=settings,
                on_epoch=follow if seed == 0 else None,
                test=False,
            )
        except FloatingPointError as error:
            raise FailedTrialError(str(error)) from error
