"""Data sets derived from others: without some users or items, or with other features."""

import copy
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_bench.runs.experiment import Experiment, Variant
from soil_bench.runs.jobs import Job, make_jobs
from soil_bench.runs.run_job import load_data
from soil_pyg.typing import EDGE_INDICES, FEATURE_PREFIX, INTERACTS, ITEM, modalities_of
from soil_pyg.workflow.export import export_mmrec
from soil_pyg.workflow.options import ModelOptions

FOLDER = "derived"


def is_derived(dataset: str) -> bool:
    """Returns whether a data set was derived from another, by its name."""
    return re.search(r"-[0-9a-f]{8}-", dataset) is not None


class DerivedData:
    """Runs of an experiment on data derived from its own, stored in the folder of the results.

    Args:
        experiment (Experiment): The experiment on the original data.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.root = experiment.out / FOLDER

    def name(self, *parts: object) -> str:
        """Returns the name of a derived data set: that of its source, its digest and the change."""
        source = self.experiment.plan.dataset, self.experiment.data.digest[:8]
        return "-".join(map(str, [*source, *parts]))

    def add(self, name: str, data: HeteroData) -> HeteroData:
        """Stores a data set unless it exists, and returns it as it is read."""
        if not (self.root / name).exists():
            export_mmrec(data, self.root / name)
        return self.load(name)

    def load(self, name: str) -> HeteroData:
        """Returns a data set that was stored."""
        return load_data(name, str(self.root))

    def job(self, variant: Variant, name: str, seed: int) -> Job:
        """Returns the run of a model on one of the data sets.

        Options that the variant does not set are those for the original data.

        Raises:
            ValueError: If an option is invalid.
        """
        selected, settings = ModelOptions(variant.model), self.experiment.settings(variant)
        plan = replace(self.experiment.plan, dataset=name, root=str(self.root))
        data = self.load(name)
        return make_jobs(plan, data, selected, variant.profile, settings, seed + 1)[seed]


def check_features(data: HeteroData) -> None:
    """Raises :class:`ValueError` if no item has features."""
    if not modalities_of(data):
        raise ValueError("'--dataset' must have features of the items (got none)")


def without_users(data: HeteroData, held_out: np.ndarray) -> HeteroData:
    """Returns the data without the interactions of some users, who keep their indices."""
    users = torch.from_numpy(held_out)
    return _with_edges(data, lambda edges: edges[:, ~torch.isin(edges[0], users)])


def without_items(data: HeteroData, held_out: np.ndarray) -> HeteroData:
    """Returns the data without some items; the others are renumbered in their order."""
    is_kept = torch.ones(data[ITEM].num_nodes, dtype=torch.bool)
    is_kept[torch.from_numpy(held_out)] = False
    number = is_kept.cumsum(0) - 1

    def renumber(edges: Tensor) -> Tensor:
        edges = edges[:, is_kept[edges[1]]]
        return torch.stack([edges[0], number[edges[1]]])

    out = _with_edges(data, renumber)
    out[ITEM].num_nodes = int(is_kept.sum())
    out[ITEM].id = np.asarray(data[ITEM].id)[is_kept.numpy()]
    for modality in modalities_of(data):
        name = FEATURE_PREFIX + modality
        out[ITEM][name] = data[ITEM][name][is_kept]
    return out


def _with_edges(data: HeteroData, change: Callable[[Tensor], Tensor]) -> HeteroData:
    out = copy.copy(data)
    for name in EDGE_INDICES:
        out[INTERACTS][name] = change(data[INTERACTS][name])
    return out
