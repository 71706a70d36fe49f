"""How a model is made from its golden file, and what its published parameters are called."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import Recommender
from soil_pyg.nn import Adjacency
from soil_pyg.transforms.edges import hold
from soil_pyg.transforms.user_graph import USER_USER
from soil_pyg.typing import USER


class Case(NamedTuple):
    model: type[Recommender]
    """The class of the model."""
    options: dict[str, str]
    """The published hyper-parameter of each option of the model."""
    parameters: dict[str, str]
    """The published parameter of each parameter of the model, or a part of one, see
    ``golden_model.published_value``.
    """
    graphs: dict[str, str] = {}  # noqa: RUF012
    """The published hyper-parameter of each option of the graphs."""
    fixed: dict[str, Any] = {}  # noqa: RUF012
    """Further options of the model."""
    fixed_graphs: dict[str, Any] = {}  # noqa: RUF012
    """Further options of the graphs."""
    features: str | None = None
    """The golden file with the features, unless it is that of the model."""
    modalities: tuple[str, ...] = ("image", "text")
    """The order of the modalities."""
    scores: Callable[[Tensor], Tensor] = torch.clone
    """The published scores as a function of ours."""
    feed: Callable[[HeteroData, dict[str, np.ndarray]], None] | None = None
    """Puts the published drawn graphs into the data, in place of those of ``on_epoch_start``."""
    tolerance: float = 1e-5
    """The largest absolute error of losses and scores."""


def embeddings(user: str = "user_embedding.weight", item: str = "") -> dict[str, str]:
    names = {"user_embedding.weight": user}
    return names | {"item_embedding.weight": item or "item_id_embedding.weight"}


def linear(names: dict[str, str]) -> dict[str, str]:
    """Returns the names of weights and biases for those of linear maps."""
    pairs = [(part, ours, theirs) for ours, theirs in names.items() for part in ("weight", "bias")]
    return {f"{ours}.{part}": f"{theirs}.{part}" for part, ours, theirs in pairs}


def encoders(names: dict[str, str]) -> dict[str, str]:
    """Returns the names of the parameters of encoders for those of the encoders."""
    parameters = {f"{ours}.preference.weight": f"{p}.preference" for ours, p in names.items()}
    for ours, theirs in names.items():
        parameters |= linear({f"{ours}.project": f"{theirs}.MLP"})
        parameters |= linear({f"{ours}.output": f"{theirs}.MLP_1"})
    return parameters


def user_graph(data: HeteroData, golden: dict[str, np.ndarray]) -> None:
    """Puts the published drawn graph of similar users into the data."""
    row, col, weight = (
        torch.from_numpy(golden[f"graph/user_graph/{part}"]) for part in ("row", "col", "weight")
    )
    size = data[USER].num_nodes, data[USER].num_nodes
    hold(data, USER_USER, Adjacency.from_edge_index(torch.stack([col, row]), weight, size))


TRAINED_FEATURES = {
    f"features.{modality}.offset.weight": f"{modality}_embedding.weight"
    for modality in ("image", "text")
}
DIMENSION = {"hidden_channels": "embedding_size", "reg": "reg_weight"}
ITEM_GRAPH = {"k": "knn_k", "first_weight": "mm_image_weight"}
