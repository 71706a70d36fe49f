"""The training of a trial on data without its test split; interrupted ones are resumed.

As the module of a process, trains one trial.
"""

import copy
import json
import shutil
from collections import OrderedDict
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from soil_bench.runs.run_job import load_data
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS
from soil_pyg.utils.files import digest_of, write_json
from soil_pyg.workflow.options import ModelOptions, build_model, build_trainer

OUTCOME = "outcome.json"
KEPT = 3
"""The number of data sets with graphs that are held in memory."""
Settings = dict[str, Any]


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
class Outcome:
    """The outcome of a trial.

    Args:
        value (float, optional): The mean over the seeds of the best val metric, :obj:`None` if it
            failed.
        epochs (int): The number of epochs of the first seed.
        error (str): The reason of a failure. (default: :obj:`""`)
    """

    value: float | None
    epochs: int
    error: str = ""


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

    def run(self, options: Settings) -> Outcome:
        """Returns the outcome of the values of the searched options: a failure if they are invalid
        or training diverges.
        """
        settings = self.settings | options
        try:
            results = [
                self._fit(settings, seed, self.folder(options)) for seed in range(self.num_seeds)
            ]
        except FailedTrialError as error:
            return Outcome(None, 0, str(error))
        value = fmean(result.val[settings["metric"]] for result in results)
        return Outcome(value, results[0].epochs)

    def folder(self, options: Settings) -> Path:
        """Returns the folder of a trial."""
        return self.root / digest_of([self.name, options])[:16]

    def line(self, options: Settings, dataset: str, data_root: str) -> str:
        """Returns the line with which :func:`main` trains a trial in another process, which reads
        the data again.
        """
        call = {
            "training": {
                **{"selected": self.selected.spec, "settings": self.settings},
                **{"root": str(self.root), "name": self.name, "num_seeds": self.num_seeds},
            },
            **{"options": options, "dataset": dataset, "data_root": data_root},
        }
        return json.dumps(call) + "\n"

    def outcome(self, options: Settings) -> Outcome:
        """Returns the outcome that :func:`main` has left."""
        return Outcome(**json.loads((self.folder(options) / OUTCOME).read_text("utf-8")))

    def forget(self, options: Settings) -> None:
        """Deletes the folder of a trial."""
        shutil.rmtree(self.folder(options), ignore_errors=True)

    def _fit(self, settings: Settings, seed: int, folder: Path) -> TrainResult:
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
                test=False,
            )
        except FloatingPointError as error:
            raise FailedTrialError(str(error)) from error


def main(line: str) -> int:
    """Trains the trial of :meth:`Training.line` and leaves its outcome in its folder."""
    call = json.loads(line)
    given = call["training"]
    training = Training(
        ModelOptions(given["selected"]),
        given["settings"],
        without_test(load_data(call["dataset"], call["data_root"])),
        Path(given["root"]),
        given["name"],
        given["num_seeds"],
    )
    outcome = training.run(call["options"])
    training.folder(call["options"]).mkdir(parents=True, exist_ok=True)
    write_json(training.folder(call["options"]) / OUTCOME, asdict(outcome))
    return 0
