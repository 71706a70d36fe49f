"""Export of data and embeddings to the formats of other libraries."""

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import HeteroData

from soil_pyg.datasets.data_folder import new_folder
from soil_pyg.datasets.features import FEATURE_SUFFIX
from soil_pyg.datasets.id_mapping import FILES
from soil_pyg.datasets.multimodal import COLUMNS
from soil_pyg.datasets.vector_tables import write_vectors
from soil_pyg.runs.checkpoint import original_ids
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, USER, features_of
from soil_pyg.utils.checks import check_choice, check_path
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.utils.files import atomic_path
from soil_pyg.utils.hetero import has_edges
from soil_pyg.workflow.run_data import load_data_or_folder, open_run


def export_mmrec(data: HeteroData | str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Writes data in the folder layout of `MMRec <https://github.com/enoche/MMRec>`_.

    The folder :obj:`<root>/<name>` holds :obj:`<name>.inter`, one feature file per modality, and
    the original ids of users and items in :obj:`u_id_mapping.csv` and :obj:`i_id_mapping.csv`.
    :class:`~soil_pyg.datasets.MultimodalDataset` reads the same data back, with ids from 0 and
    with the modalities in alphabetical order.

    Args:
        data (HeteroData, str or os.PathLike): The data or its folder.
        out (str or os.PathLike): The folder to create, which must be new or empty.

    Raises:
        ValueError: If the folder holds other files, or the layout cannot hold the data: there are
            no interactions, the last users have none, the last items have neither interactions nor
            features, or a modality is not a valid file name.
    """
    check_path("out", out)
    data = load_data_or_folder(data)
    store = data[INTERACTS] if has_edges(data, INTERACTS) else {}
    none = torch.empty(2, 0, dtype=torch.long)
    edges = [store[name].cpu() if name in store else none for name in EDGE_INDICES]
    if not any(edge.size(1) for edge in edges):
        raise ValueError("'data' must have interactions (got none)")
    label = np.repeat(np.arange(len(edges)), [edge.size(1) for edge in edges])
    user, item = torch.cat(edges, dim=1).numpy()
    order = np.lexsort((item, user))
    columns = dict(zip(COLUMNS, (user[order], item[order], label[order]), strict=True))
    features = features_of(data)
    if not features and item.max() + 1 < count_nodes(data, ITEM):
        raise ValueError(
            "'data' must have features or interactions for its last item, as the layout of MMRec "
            f"does not store the number of items (got {count_nodes(data, ITEM)} items, none used "
            f"after {item.max()})"
        )
    if user.max() + 1 < count_nodes(data, USER):
        raise ValueError(
            "'data' must have interactions of its last user, as the layout of MMRec does not store "
            f"the number of users (got {count_nodes(data, USER)} users, none with interactions "
            f"after {user.max()})"
        )
    for modality in features:
        if Path(modality).name != modality:
            raise ValueError(f"Each modality must be a valid file name (got {modality!r})")
    with new_folder(out) as folder:
        name = Path(os.path.abspath(out)).name
        pd.DataFrame(columns).to_csv(folder / f"{name}.inter", sep="\t", index=False)
        for modality, x in features.items():
            np.save(folder / f"{modality}{FEATURE_SUFFIX}", x.cpu().numpy())
        for kind, column in ((USER, COLUMNS[0]), (ITEM, COLUMNS[1])):
            ids = original_ids(data, kind)
            frame = pd.DataFrame({kind: ids, column: np.arange(len(ids))})
            frame.to_csv(folder / FILES[kind], sep="\t", index=False)


def export_hetero_data(
    data: HeteroData | str | os.PathLike[str], out: str | os.PathLike[str]
) -> None:
    """Writes data to a file that PyTorch Geometric reads without this package.

    The file holds only tensors and plain values: :obj:`HeteroData.from_dict(torch.load(path))`.
    Graphs that a transform has built for a model of this package are left out.

    Args:
        data (HeteroData, str or os.PathLike): The data or its folder.
        out (str or os.PathLike): The :obj:`.pt` file to write.

    Raises:
        ValueError: If the file has another suffix.
    """
    check_path("out", out)
    path = Path(out).expanduser()
    if path.suffix != ".pt":
        raise ValueError(f"'out' must be a .pt file (got '{path}')")
    content = load_data_or_folder(data).to_dict()
    for store in content.values():
        store.pop("adjacency", None)
        for key, value in store.items():
            if isinstance(value, np.ndarray):
                is_text = value.dtype.kind in "UO"
                store[key] = value.tolist() if is_text else torch.from_numpy(value)
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            torch.save(content, file)
    except RuntimeError as error:
        # torch replaces the error of the operating system by its own.
        if isinstance(error.__context__, OSError):
            error.__context__.filename = str(path)
            raise error.__context__ from error
        raise


def export_embeddings(
    trained: TrainedModel | str | os.PathLike[str],
    out: str | os.PathLike[str],
    file_format: str = "parquet",
) -> None:
    """Writes the embeddings of all users and items with their original ids.

    - :obj:`"parquet"`: :obj:`users.parquet` with the columns :obj:`user` and :obj:`embedding`, and
      :obj:`items.parquet` with :obj:`item` and :obj:`embedding`;
    - :obj:`"npy"`: :obj:`user_embeddings.npy` with one row per id in :obj:`user_ids.npy`, and the
      same for items.

    Args:
        trained (TrainedModel, str or os.PathLike): The trained model or its folder.
        out (str or os.PathLike): The folder to create, which must be new or empty.
        file_format (str): :obj:`"parquet"` or :obj:`"npy"`. (default: :obj:`"parquet"`)

    Raises:
        ValueError: If the folder holds other files, or the embeddings are sparse matrices.
    """
    check_choice("file_format", file_format, ("parquet", "npy"))
    check_path("out", out)
    trained = open_run(trained)
    users, items = (trained.user_id, trained.user_emb), (trained.item_id, trained.item_emb)
    tables = {USER: users, ITEM: items}
    if any(emb.is_sparse for _, emb in tables.values()):
        model = type(trained.model).__name__
        raise ValueError(f"'trained' must have dense embeddings (got sparse ones of {model})")
    with new_folder(out) as folder:
        for kind, (ids, emb) in tables.items():
            matrix = emb.detach().cpu().float().contiguous().numpy()
            if file_format == "npy":
                # Arrays of objects would be pickled.
                plain = ids.astype(str) if ids.dtype == object else ids
                _save_array(folder / f"{kind}_ids.npy", plain)
                _save_array(folder / f"{kind}_embeddings.npy", matrix)
            else:
                path = folder / f"{kind}s.parquet"
                write_vectors({kind: ids.tolist()}, "embedding", matrix, path)


def _save_array(path: Path, array: np.ndarray) -> None:
    try:
        np.save(path, array)
    except OSError as error:
        # numpy does not report the reason of an incomplete write.
        if error.errno is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise
