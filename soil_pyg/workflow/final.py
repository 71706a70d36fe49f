"""Training on all interactions with the settings of a validated run, for production."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch_geometric.data import HeteroData

from soil_pyg.runs.schema import WEIGHTS
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.workflow.options import ModelOptions

FINAL = "final"
"""The setting of a run on all interactions: the digest of the weights of the validated run."""


@dataclass(frozen=True)
class Validated:
    """The settings of a validated run, with its best epoch as the number of epochs.

    Args:
        model (str): The name of the model.
        profile (str, optional): The profile of the model.
        seed (int): The seed.
        options (dict[str, Any]): The options of the model, its graphs and its training.
        weights (str): The digest of the weights.
    """

    model: str
    profile: str | None
    seed: int
    options: dict[str, Any]
    weights: str

    @classmethod
    def of(cls, trained: TrainedModel, model: str | None, profile: str | None) -> "Validated":
        """Reads the settings of a run. Raises :class:`ValueError` if it has no validation metrics,
        or if a given model or profile is not that of the run.
        """
        run, settings = trained.run, trained.settings
        if not (run["finished"] and run["val"] and {"model", "profile"} <= settings.keys()):
            raise ValueError(
                "'final' must be a finished run of 'train' with validation metrics (got "
                f"'{trained.folder}')"
            )
        for name, value in (("model", model), ("profile", profile)):
            if value is not None and value.lower() != str(settings[name]).lower():
                raise ValueError(
                    f"'{name}' must be left out or be that of 'final', '{settings[name]}' "
                    f"(got '{value}')"
                )
        names = ModelOptions(type(trained.model)).options.keys() & settings.keys()
        options = {name: settings[name] for name in names}
        if run["best_epoch"] > 0:
            options["epochs"] = run["best_epoch"]
        seed, weights = run["trainer"]["seed"], run["files"][WEIGHTS]
        return cls(settings["model"], settings["profile"], seed, options, weights)


def without_held_out(data: HeteroData) -> HeteroData:
    """Returns a copy of data in which the interactions of every split are in the train split."""
    data = copy.copy(data)
    store = data[INTERACTS]
    pairs = torch.cat([store[name] for name in EDGE_INDICES if name in store], dim=1)
    num_items = count_nodes(data, ITEM)
    key = torch.unique(pairs[0] * num_items + pairs[1])
    store.edge_index = torch.stack([key // num_items, key % num_items])
    for name in EDGE_INDICES[1:]:
        store[name] = store.edge_index[:, :0]
    return data


def refuse_without_held_out(data: HeteroData) -> None:
    """Raises :class:`ValueError` if all interactions are in the train split."""
    store = data[INTERACTS] if INTERACTS in data.edge_types else {}
    names = [name for name in EDGE_INDICES[1:] if name in store]
    if names and not any(store[name].size(1) for name in names):
        raise ValueError(
            "'data' must hold out interactions for the validation (got none): prepare it with "
            "other 'ratios' (--ratios), or name a validated run in 'final' (--final) to train on "
            "all interactions"
        )
