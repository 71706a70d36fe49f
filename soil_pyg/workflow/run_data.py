"""Access to the data and the graphs that a run was trained on."""

import os

from torch.nn import Module
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from soil_pyg.datasets.data_folder import load_data_folder
from soil_pyg.runs.checkpoint import load
from soil_pyg.runs.data_identity import content_digest
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.runs.trained_pairs import without_trained_pairs
from soil_pyg.typing import HELD_OUT_SPLITS
from soil_pyg.utils.checks import check_path
from soil_pyg.workflow.final import FINAL, without_held_out
from soil_pyg.workflow.options import ModelOptions

LEFT_OUT = "left_out_"
"""The prefix of the settings of a run that count the pairs left out of each held-out split, because
the run that it was initialised from was trained on them.
"""


def open_run(trained: TrainedModel | str | os.PathLike[str], name: str = "trained") -> TrainedModel:
    """Returns a trained model, loaded if it is the folder of its run. Raises the errors of
    :func:`soil_pyg.load`, and :class:`ValueError` with the name of the argument if it is neither.
    """
    if isinstance(trained, TrainedModel):
        return trained
    if isinstance(trained, Module):
        kind = type(trained).__name__
        raise ValueError(f"'{name}' must be a run or its folder (got the model {kind}): load(RUN)")
    check_path(name, trained)
    return load(trained)


def load_data_or_folder(data: HeteroData | str | os.PathLike[str]) -> HeteroData:
    """Returns data, loaded if it is a folder. Raises the errors of
    :func:`soil_pyg.load_data_folder`, and :class:`ValueError` if it is neither.
    """
    if isinstance(data, HeteroData):
        return data
    check_path("data", data)
    return load_data_folder(data)


def data_source(
    trained: TrainedModel, data: HeteroData | str | os.PathLike[str] | None
) -> HeteroData | str | os.PathLike[str] | None:
    """Returns the given data, or the folder that the run was trained on, if there is one."""
    return trained.settings.get("data") if data is None else data


def load_run_data(
    trained: TrainedModel, data: HeteroData | str | os.PathLike[str] | None = None
) -> HeteroData:
    """Returns the given data of a run, loaded if it is a folder, or that of the folder that the run
    was trained on. Held-out pairs that the training left out are left out, and those of a run on
    all interactions are in the train split.

    Raises :class:`FileNotFoundError` if there is no such folder, and :class:`ValueError` if it
    holds other data or if the run has no data folder.
    """
    where, found = "'data'", data
    if not isinstance(found, HeteroData):
        folder = data_source(trained, found)
        if folder is None:
            raise ValueError("the run was not trained on a data folder: pass its data as 'data'")
        try:
            where, found = f"'{folder}'", load_data_or_folder(folder)
        except FileNotFoundError as error:
            if data is not None:
                raise
            raise FileNotFoundError(f"{error}, or pass its new path as 'data' (--data)") from error
    digest = str(getattr(found, "digest", ""))
    if digest != trained.data_digest:
        raise ValueError(
            f"{where} is not the data that the run was trained on (got digest {digest[:12]}, "
            f"expected {trained.data_digest[:12]}): pass its folder as 'data' (--data), or train "
            "again"
        )
    if FINAL in trained.settings:
        found = without_held_out(found)
    if any(f"{LEFT_OUT}{split}" in trained.settings for split in HELD_OUT_SPLITS):
        found = without_trained_pairs(found, trained)[0]
    # Data of one's own has no digest, and data with one may have been changed on purpose.
    content = trained.run.get("data", {}).get("content")
    if digest == "" and content not in (None, content_digest(found)):
        raise ValueError(
            f"{where} is not the data that the run was trained on (its training interactions, "
            "features or ids differ): pass that data as 'data', or train again"
        )
    return found


def run_transform(trained: TrainedModel) -> BaseTransform:
    """Returns the graph transform of the model of a run, with the options of its training. Raises
    :class:`ValueError` if the settings of the run lack an option of the graphs.
    """
    selected = ModelOptions(type(trained.model))
    names = {name for name, option in selected.options.items() if "graphs" in option.used_by}
    if missing := sorted(names - set(trained.settings)):
        raise ValueError(
            f"the run lacks the setting '{missing[0]}' of its graphs: only runs of 'train' can "
            "build them again"
        )
    options = selected.values_for("graphs", trained.settings)
    return type(trained.model).graph_transform(**options)
