"""The data of the measurements, drawn once, and prepared graphs as files for other processes."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_bench.speed.item_features import (
    STYLE_NOISE,
    STYLE_SIZE,
    draw_features,
    posters_file,
)
from soil_bench.speed.measurement import Measurement
from soil_pyg.datasets import Amazon, SyntheticMultimodal
from soil_pyg.datasets.storage import load_data, save_data
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.typing import FEATURE_PREFIX, ITEM, modalities_of
from soil_pyg.utils.files import digest_of

BABY_USERS, BABY_ITEMS, BABY_DRAWN = 19_445, 7_050, 10.26
"""The size of baby, and the number of pairs to draw per user for its number of training
interactions."""
STYLE = "style"


def draw_synthetic(path: str, **options: Any) -> None:
    """Draws a :class:`~soil_pyg.datasets.SyntheticMultimodal` and stores it.

    Args:
        path (str): The file.
        **options (optional): The options of the data set.
    """
    save_data(SyntheticMultimodal(**options)[0], path)


def draw_structured(
    path: str, source: str, root: str, modalities: dict[str, int], **options: Any
) -> None:
    """Stores a :class:`~soil_pyg.datasets.SyntheticMultimodal` with features of another source.

    Each style consists of items whose features are similar.

    Args:
        path (str): The file.
        source (str): The source of the features, see :mod:`~soil_bench.speed.item_features`.
        root (str): The folder that may hold the folder of the data set whose features are repeated.
        modalities (dict[str, int]): The dimension of the features of each modality, by its name.
        **options (optional): Further options of the data set.
    """
    if source == "styles":
        draw_synthetic(path, modalities=modalities, **options)
        return
    # Without noise, the items of a style have the same features.
    data = SyntheticMultimodal(modalities={STYLE: 2}, noise=0, **options)[0]
    style = torch.unique(data[ITEM].pop(FEATURE_PREFIX + STYLE), dim=0, return_inverse=True)[1]
    order = torch.argsort(style, stable=True)
    for seed, (modality, channels) in enumerate(modalities.items()):
        drawn = draw_features(source, order.numel(), channels, seed, posters_file(root, modality))
        x = torch.empty(drawn.shape)
        x[order] = torch.from_numpy(drawn)
        data[ITEM][FEATURE_PREFIX + modality] = x
    save_data(data, path)


def draw_baby(path: str, root: str, channels: dict[str, int]) -> None:
    """Stores the interactions of baby with synthetic features: centres of styles plus noise.

    Args:
        path (str): The file.
        root (str): The folder that holds the folder of the data set.
        channels (dict[str, int]): The dimension of the features of each modality, by its name.
    """
    data = Amazon(root, "baby")[0]
    for modality in modalities_of(data):
        del data[ITEM][FEATURE_PREFIX + modality]
    rng = np.random.default_rng(0)
    style = rng.permutation(data[ITEM].num_nodes) // STYLE_SIZE
    for modality, size in channels.items():
        x = rng.standard_normal((style.max() + 1, size), dtype=np.float32)[style]
        x += STYLE_NOISE * rng.standard_normal(x.shape, dtype=np.float32)
        data[ITEM][FEATURE_PREFIX + modality] = torch.from_numpy(x)
    save_data(data, path)


def baby_size(root: str, channels: dict[str, int]) -> tuple[str, dict[str, Any]]:
    """Returns the function that draws data of Baby's size, and its settings.

    Args:
        root (str): The folder that may hold the folder of the data set.
        channels (dict[str, int]): The dimension of the features of each modality, by its name.
    """
    if Path(root, "baby", "baby.inter").is_file():
        return "soil_bench.speed.inputs:draw_baby", {"root": root, "channels": channels}
    sizes = {"num_users": BABY_USERS, "num_items": BABY_ITEMS, "interactions_per_user": BABY_DRAWN}
    return "soil_bench.speed.inputs:draw_synthetic", {**sizes, "modalities": channels}


def graph_measurements(
    folder: Path, function: str, settings: dict[str, Any], device: str
) -> tuple[Measurement, Measurement, Measurement]:
    """Returns the measurements that draw the data, build our graphs, and build the naive ones.

    Args:
        folder (Path): The folder of the files.
        function (str): The function that draws the data, as :obj:`"module:name"`.
        settings (dict[str, Any]): Its settings.
        device (str): The device of our graphs.
    """
    name = digest_of([function, settings])[:12]
    inputs = Measurement(function, settings, path=folder / f"{name}.inputs")
    needs = {"inputs": inputs}
    workloads, path = "soil_bench.speed.workloads", folder / f"{name}.fast"
    fast = Measurement(f"{workloads}:build_fast", {"device": device}, needs, path)
    naive = Measurement(f"{workloads}:build_naive", {}, needs, folder / f"{name}.naive")
    return inputs, fast, naive


def save_graphs(data: HeteroData, path: str | Path) -> None:
    """Stores data with all its graphs, including prepared ones."""
    data = copy.copy(data)
    for edge_type in data.edge_types:
        adjacency = data[edge_type].pop("adjacency", None)
        if adjacency is not None:
            data[edge_type].csr_rowptr = adjacency.rowptr
            data[edge_type].csr_col = adjacency.col
            data[edge_type].csr_weight = adjacency.weight
            data[edge_type].csr_columns = adjacency.size[1]
    save_data(data, path)


def load_graphs(path: str | Path) -> HeteroData:
    """Loads data that :func:`save_graphs` has stored."""
    data = load_data(path)
    for edge_type in data.edge_types:
        store = data[edge_type]
        if "csr_rowptr" in store:
            parts = [store.pop(f"csr_{name}") for name in ("rowptr", "col", "weight", "columns")]
            store.adjacency = Adjacency(*parts)
    return data


def save_matrices(matrices: dict[str, Tensor], path: str | Path) -> None:
    """Stores sparse COO matrices by their names."""
    data = HeteroData()
    for name, matrix in matrices.items():
        matrix = matrix.coalesce()
        data[name].indices, data[name].values_ = matrix.indices(), matrix.values()
        data[name].shape = list(matrix.size())
    save_data(data, path)


def load_matrices(path: str | Path) -> dict[str, Tensor]:
    """Loads matrices that :func:`save_matrices` has stored."""
    data = load_data(path)
    matrices = {}
    for name in data.node_types:
        parts = data[name].indices, data[name].values_, data[name].shape
        matrices[name] = torch.sparse_coo_tensor(*parts, is_coalesced=True, check_invariants=False)
    return matrices
