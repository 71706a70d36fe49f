"""The graphs of a model for all processes that train it."""

import copy
from pathlib import Path
from typing import Any

from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.runs.shards import SHARDS
from soil_pyg.runs.tensor_file import load_tensors, save_tensors
from soil_pyg.training.ranks import Ranks
from soil_pyg.transforms.edges import distinct_edges
from soil_pyg.typing import INTERACTS, USER
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.utils.files import remove
from soil_pyg.utils.progress import status

ARRAYS = ("rowptr", "col", "weight")


def build_graphs(
    graphs: BaseTransform,
    data: HeteroData,
    device: str,
    ranks: Ranks,
    shared: Path | None = None,
) -> HeteroData:
    """Returns the data with the graphs of a model, which every process builds.

    In a folder that all processes share, the first one builds them instead, and all map the file of
    its matrices: each reads the rows that it needs, and the processes of a machine share the
    memory.

    Args:
        graphs (BaseTransform): Adds the graphs to the data.
        data (HeteroData): The data.
        device (str): The device on which the graphs are built.
        ranks (Ranks): The processes.
        shared (Path, optional): The folder of the run, if all processes share it.
            (default: :obj:`None`)
    """
    status.step("building the graphs")
    if shared is None:
        return graphs(copy.copy(data).to(device))
    path = shared / SHARDS / "graphs.safetensors"
    ranks.first(lambda: _save(graphs(copy.copy(data).to(device)), path))
    found: list[HeteroData] = []
    ranks.each(lambda: found.append(_load(data, path)))
    # What is mapped stays until the last process ends.
    ranks.first(lambda: remove(path))
    return found[0]


def _save(data: HeteroData, path: Path) -> None:
    arrays: dict[str, Tensor] = {}
    kept: list[list[Any]] = []
    for edge_type, store in data.edge_items():
        if "adjacency" not in store:
            continue
        graph: Adjacency = store.adjacency
        matrices = {"": graph}
        # The rows of users are sampled, in whatever direction the edges point.
        if USER in edge_type:
            matrices["t."] = graph.t()
        for prefix, matrix in matrices.items():
            for name in ARRAYS:
                arrays[f"{len(kept)}.{prefix}{name}"] = getattr(matrix, name)
        kept.append([list(edge_type), graph.interactions])
    save_tensors(path, arrays, kept)


def _load(data: HeteroData, path: Path) -> HeteroData:
    data = copy.copy(data)
    distinct_edges(data, INTERACTS)
    arrays, kept = load_tensors(path, verified=True)
    for number, (edge_type, interactions) in enumerate(kept):
        source, _, target = edge_type
        size = count_nodes(data, target), count_nodes(data, source)
        matrices = []
        for prefix, num_columns in {"": size[1], "t.": size[0]}.items():
            if f"{number}.{prefix}col" in arrays:
                rowptr, col, weight = (arrays[f"{number}.{prefix}{name}"] for name in ARRAYS)
                matrices.append(Adjacency(rowptr, col, weight, num_columns))
        graph = matrices[0]
        graph.interactions = interactions
        if len(matrices) > 1:
            graph._transposed, matrices[1]._transposed = matrices[1], graph
        data[tuple(edge_type)].adjacency = graph
    return data
