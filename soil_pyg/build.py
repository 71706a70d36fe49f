"""Models and trainers of selected options."""

from typing import Any

from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.options import Selected
from soil_pyg.trainer import Trainer
from soil_pyg.typing import FEATURE_PREFIX, ITEM, USER, modalities_of


def build_model(selected: Selected, settings: dict[str, Any], data: HeteroData) -> Recommender:
    """Returns the model with the sizes of the data; the modalities may be one of the settings.

    Raises:
        ValueError: If the data lacks a modality, or the model refuses its options.
    """
    known = modalities_of(data)
    modalities = settings.get("modalities") or known
    for name in modalities:
        if name not in known:
            there = ", ".join(known) or "none"
            raise ValueError(
                f"'modalities' must be among those of the data: {there} (got '{name}')"
            )
    return selected.model_class(
        num_users=data[USER].num_nodes,
        num_items=data[ITEM].num_nodes,
        in_channels={name: data[ITEM][FEATURE_PREFIX + name].size(1) for name in modalities},
        **selected.taken_by("model", settings),
    )


def build_trainer(selected: Selected, settings: dict[str, Any], seed: int) -> Trainer:
    """Returns the trainer; the device is one of the settings."""
    options = selected.taken_by("trainer", settings)
    return Trainer(**options, seed=seed, accelerator=settings["device"])
