"""The folder of a run: weights, embeddings and training state as safetensors, else JSON."""

import json
import os
import platform
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch_geometric
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.datasets.storage import write_tensors
from soil_pyg.models.resolver import import_model
from soil_pyg.runs.compatibility import upgrade_record
from soil_pyg.runs.pair_hashes import PAIR_HASH, training_hashes
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import ITEM, USER
from soil_pyg.utils.files import atomic_path, file_digest, write_json

FORMAT = 1
"""The version of the format of the folder."""

RUN = "run.json"
IDS = "ids.json"
WEIGHTS = "model.safetensors"
EMBEDDINGS = "embeddings.safetensors"
STATE = "state.safetensors"
PAIRS = "trained_pairs.safetensors"
"""The hashes of the pairs that the run was trained on, which runs of earlier versions lack."""

FILES = (WEIGHTS, EMBEDDINGS, IDS)
"""The files that :func:`load` reads, whose digests :obj:`run.json` holds."""


def load(folder: str | os.PathLike[str]) -> TrainedModel:
    """Loads a trained model from the folder of its run, without unpickling anything.

    The class of the model is imported by its name, so its module must be importable.

    Args:
        folder (str or os.PathLike): The folder, the argument :obj:`out` of
            :meth:`~soil_pyg.training.Trainer.fit`.

    Raises:
        FileNotFoundError: If the folder or one of its files does not exist.
        ValueError: If a file has changed since it was written, or the model cannot be built.
    """
    folder = Path(folder)
    run = load_finished_run(folder)
    for name in FILES:
        if not (folder / name).exists():
            raise FileNotFoundError(f"'{folder}' has no {name}: train again")
        if file_digest(folder / name) != run["files"].get(name):
            raise ValueError(f"'{folder / name}' has changed since {RUN} was written: train again")

    try:
        model = import_model(run["model"])(**run["options"])
    except TypeError as error:
        raise ValueError(
            f"{run['model']} cannot be built from the options in {RUN}: {error}"
        ) from error
    try:
        model.load_state_dict(load_tensors(folder / WEIGHTS)[0])
    except RuntimeError as error:
        raise ValueError(f"'{folder / WEIGHTS}' does not fit {run['model']}: {error}") from error
    embeddings = load_tensors(folder / EMBEDDINGS)[0]
    ids = json.loads((folder / IDS).read_text("utf-8"))
    return TrainedModel(
        model=model.eval(),
        user_emb=embeddings["user"],
        item_emb=embeddings["item"],
        user_id=np.array(ids["user"]["id"], dtype=ids["user"]["dtype"]),
        item_id=np.array(ids["item"]["id"], dtype=ids["item"]["dtype"]),
        settings=run["settings"],
        metrics={"val": run["val"], "test": run["test"]},
        data_name=run["data"]["name"],
        data_digest=run["data"]["digest"],
        run=run,
        folder=folder,
    )


def load_finished_run(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the content of :obj:`run.json`, as :func:`load_run` does; raises
    :class:`FileNotFoundError` if the folder does not exist or its training has not finished.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"The folder '{folder}' does not exist: check its path")
    run = load_run(folder)
    if run is None:
        reason = (
            "its training has not finished; repeat the call with the same arguments to resume it"
            if (folder / STATE).exists()
            else "it is not the folder of a run"
        )
        raise FileNotFoundError(f"'{folder}' has no {RUN}: {reason}")
    return run


def save(
    folder: str | os.PathLike[str],
    run: dict[str, Any],
    weights: dict[str, Tensor],
    embeddings: tuple[Tensor, Tensor],
    data: HeteroData,
) -> None:
    """Writes the files that :func:`load` reads, :obj:`run.json` last: the weights and embeddings
    of the users and items of a model, and the original ids of the data.
    """
    folder = Path(folder)
    save_tensors(folder / WEIGHTS, weights)
    save_tensors(folder / EMBEDDINGS, dict(zip((USER, ITEM), embeddings, strict=True)))
    ids = {node_type: original_ids(data, node_type) for node_type in (USER, ITEM)}
    stored = {name: {"dtype": a.dtype.str, "id": a.tolist()} for name, a in ids.items()}
    write_json(folder / IDS, stored, indent=None)
    save_tensors(folder / PAIRS, {PAIR_HASH: torch.from_numpy(training_hashes(data, ids))})
    files = {name: file_digest(folder / name) for name in (*FILES, PAIRS)}
    write_json(folder / RUN, {"format": FORMAT, **run, "versions": versions(), "files": files})


def original_ids(data: HeteroData, node_type: str) -> np.ndarray:
    """Returns the original ids of the nodes, or their indices if the data has none."""
    store = data[node_type]
    return np.asarray(store.id if "id" in store else np.arange(store.num_nodes))


def load_run(folder: Path) -> dict[str, Any] | None:
    """Returns the content of :obj:`run.json`, or :obj:`None` if there is no such file; raises
    :class:`ValueError` if it is corrupt or of another version of the format.
    """
    path = folder / RUN
    if not path.exists():
        return None
    try:
        run = json.loads(path.read_text("utf-8"))
        version = run["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"'{path}' is corrupt: {error!r}") from error
    if version != FORMAT:
        raise ValueError(f"'{path}' must have format {FORMAT} (got {version!r}): train again")
    return upgrade_record(run)


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: Any = None) -> None:
    """Writes dense and sparse COO tensors on any device, and a JSON value, to one file,
    atomically.
    """
    dense, sparse = {}, {}
    for name, tensor in tensors.items():
        pieces = {name: tensor.detach().cpu()}
        if tensor.is_sparse:
            tensor = pieces.pop(name).coalesce()
            sparse[name] = list(tensor.size())
            pieces = {f"{name}.indices": tensor.indices(), f"{name}.values": tensor.values()}
        for key, piece in pieces.items():
            # The format refuses tensors that share memory.
            dense[key] = piece.clone(memory_format=torch.contiguous_format)
    header = json.dumps({"format": FORMAT, "sparse": sparse, "metadata": metadata})
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        write_tensors(dense, temporary, {"soil_pyg": header})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Returns the tensors and the metadata of a file written by :func:`save_tensors`; raises
    :class:`ValueError` if it is corrupt or of another version of the format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["soil_pyg"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for name, size in header["sparse"].items():
            indices, values = tensors.pop(f"{name}.indices"), tensors.pop(f"{name}.values")
            tensors[name] = torch.sparse_coo_tensor(
                indices, values, size, check_invariants=True
            ).coalesce()
    except (SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ValueError(f"'{path}' is corrupt: {error!r}") from error
    if header["format"] != FORMAT:
        raise ValueError(f"'{path}' must have format {FORMAT} (got {header['format']!r})")
    return tensors, header["metadata"]


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that results depend on."""
    return {
        "soil_pyg": import_module("soil_pyg").__version__,
        "torch": torch.__version__,
        "torch_geometric": torch_geometric.__version__,
        "python": platform.python_version(),
    }
