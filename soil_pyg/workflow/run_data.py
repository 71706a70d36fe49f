"""The data that a run was trained on, read again."""

import os
from typing import Any

from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType

from soil_pyg.datasets.data_folder import load_data_folder
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.workflow.options import ModelOptions


def load_run_data(
    trained: TrainedModel, data: HeteroData | str | os.PathLike[str] | None = None
) -> HeteroData:
    """Returns the data of a run.

    Args:
        trained (TrainedModel): The trained model.
        data (HeteroData, str or os.PathLike, optional): The data or its folder.
            (default: the folder that the run was trained on)

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds other data, or if no folder is known.
    """
    where, found = "'data'", data
    if not isinstance(found, HeteroData):
        folder = trained.settings.get("data") if found is None else found
        if folder is None:
            raise ValueError("The run was not trained on a data folder: give its data as 'data'")
        where, found = f"'{folder}'", _load(folder, is_given=data is not None)
    digest = str(getattr(found, "digest", ""))
    if digest != trained.data_digest:
        raise ValueError(
            f"{where} is not the data that the run was trained on (digest {digest[:12]} there, "
            f"{trained.data_digest[:12]} in the run): name its folder by 'data' (--data), or "
            "train again"
        )
    return found


def _load(folder: str | os.PathLike[str], is_given: bool) -> HeteroData:
    try:
        return load_data_folder(folder)
    except FileNotFoundError as error:
        if is_given:
            raise
        raise FileNotFoundError(f"{error}, or name its new place by 'data' (--data)") from error


def add_graphs(trained: TrainedModel, data: HeteroData) -> HeteroData:
    """Returns the data with the graphs that the model of a run reads, made as for its training.

    Args:
        trained (TrainedModel): The trained model, of :func:`soil_pyg.train`.
        data (HeteroData): Its data.

    Raises:
        ValueError: If the run does not tell the options of the graphs.
    """
    return type(trained.model).graph_transform(**graph_options(trained))(data)


def with_graph(trained: TrainedModel, data: HeteroData, edge_type: EdgeType) -> HeteroData:
    """Returns the data as it is if it has a prepared graph, or else with all graphs of the run.

    Args:
        trained (TrainedModel): The trained model, of :func:`soil_pyg.train`.
        data (HeteroData): Its data.
        edge_type (tuple): The edge type of the graph.

    Raises:
        ValueError: If the run does not tell the options of the graphs.
    """
    if edge_type in data.edge_types and "adj" in data[edge_type]:
        return data
    return add_graphs(trained, data)


def graph_options(trained: TrainedModel) -> dict[str, Any]:
    """Returns the options of the graphs that the model of a run reads.

    Args:
        trained (TrainedModel): The trained model, of :func:`soil_pyg.train`.

    Raises:
        ValueError: If the run does not tell them.
    """
    selected = ModelOptions(trained.settings.get("model") or trained.run["model"])
    missing = sorted(
        name
        for name, option in selected.options.items()
        if "graphs" in option.used_by and name not in trained.settings
    )
    if missing:
        raise ValueError(
            f"The run does not tell the option '{missing[0]}' of the graphs: it must come from "
            "'train'"
        )
    return selected.values_for("graphs", trained.settings)
