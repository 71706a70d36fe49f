"""The folder of a run: weights, embeddings and training state as safetensors, else JSON."""

import os
import platform
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch_geometric
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.models.resolver import find_model, import_model
from soil_pyg.runs.compatibility import upgrade_record
from soil_pyg.runs.ids import load_ids, save_ids
from soil_pyg.runs.pair_hashes import PAIR_HASH, training_hashes
from soil_pyg.runs.schema import (
    EMBEDDINGS,
    FORMAT,
    FORMER_IDS,
    IDS,
    PAIRS,
    REMEDY,
    WEIGHTS,
    RunRecord,
)
from soil_pyg.runs.state import num_bytes
from soil_pyg.runs.tensor_file import load_tensors, save_tensors
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import ITEM, USER
from soil_pyg.utils.checks import check_path
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.utils.files import file_digest
from soil_pyg.utils.records import (
    DamagedFileError,
    check_files,
    read_record,
    validate,
    write_record,
)

RUN = "run.json"
STATE = "state.safetensors"

FILES = (WEIGHTS, EMBEDDINGS, IDS)
"""The files that :func:`load` reads, whose digests :obj:`run.json` holds."""

MAPPED = 2**28
"""The bytes from which on the weights of a loaded model stay in their file until they are used."""


def load(
    folder: str | os.PathLike[str], model: type[Recommender] | str | None = None
) -> TrainedModel:
    """Loads a trained model from the folder of its run, without unpickling anything.

    The run does not choose what is imported: its model must be one of the package, a class of a
    module that the program has imported, or :obj:`model`.

    Args:
        folder (str or os.PathLike): The folder, the argument :obj:`out` of
            :meth:`~soil_pyg.training.Trainer.fit`.
        model (type or str, optional): The class of the model, or its name
            :obj:`"package.module:Class"`. (default: the one that the run names)

    Raises:
        FileNotFoundError: If the folder or one of its files does not exist.
        ValueError: If a file has changed since it was written, or the model cannot be built.
    """
    check_path("folder", folder)
    folder = Path(folder).expanduser()
    run = load_finished_run(folder)
    ids = load_ids(_ids_file(folder, run))
    embeddings = load_tensors(folder / EMBEDDINGS, verified=True)[0]
    check_sizes(folder, run, ids, embeddings)
    weights = load_tensors(folder / WEIGHTS, verified=True)[0]
    found = import_model(model) if isinstance(model, str) else model
    built = _build(folder, run, found or find_model(run["model"]), weights)
    return TrainedModel(
        model=built.eval(),
        user_emb=embeddings[USER],
        item_emb=embeddings[ITEM],
        user_id=ids[USER],
        item_id=ids[ITEM],
        settings=run["settings"],
        metrics={"val": run["val"], "test": run["test"]},
        data_name=run["data"]["name"],
        data_digest=run["data"]["digest"],
        run=run,
        folder=folder,
    )


def _build(
    folder: Path,
    run: dict[str, Any],
    model_class: type[Recommender],
    weights: dict[str, Tensor],
) -> Recommender:
    """Returns the model of a run with its weights. Their sizes are compared before the model takes
    any memory.
    """
    small = _without_memory(model_class, run["options"])
    if small is not None:
        _refuse_other_sizes(folder, run, small, weights)
        if num_bytes(weights) > MAPPED and _is_of_state(small):
            small.load_state_dict(weights, assign=True)
            return small
    try:
        model = model_class(**run["options"])
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{run['model']} cannot be built from the options in '{folder / RUN}': {error!r}"
        ) from error
    _refuse_other_sizes(folder, run, model, weights)
    model.load_state_dict(weights)
    return model


def _refuse_other_sizes(
    folder: Path, run: dict[str, Any], model: Recommender, weights: dict[str, Tensor]
) -> None:
    expected = {name: list(value.size()) for name, value in model.state_dict().items()}
    found = {name: list(value.size()) for name, value in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            reason = (
                f"does not fit {run['model']} ('{name}' must have the size {expected.get(name)}, "
                f"got {found.get(name)})"
            )
            raise DamagedFileError(folder / WEIGHTS, reason, REMEDY)


def _without_memory(model_class: type[Recommender], options: dict[str, Any]) -> Recommender | None:
    try:
        with torch.device("meta"):
            return model_class(**options)
    except (Exception, SystemExit):
        # A custom model may read the values of its parameters while it is built.
        return None


def _is_of_state(model: Recommender) -> bool:
    """Returns whether all tensors of a model are part of its state."""
    tensors = {*dict(model.named_parameters()), *dict(model.named_buffers())}
    others = (value for module in model.modules() for value in vars(module).values())
    return tensors == model.state_dict().keys() and not any(isinstance(v, Tensor) for v in others)


def load_finished_run(folder: str | os.PathLike[str], with_files: bool = True) -> dict[str, Any]:
    """Returns the content of :obj:`run.json`, as :func:`load_run` does; raises
    :class:`FileNotFoundError` if the folder does not exist or its training has not finished.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"The folder '{folder}' does not exist: check its path")
    run = load_run(folder, with_files)
    if run is None:
        reason = "it is not the folder of a run"
        if (folder / STATE).exists():
            reason = (
                "its training has not finished; repeat the call with the same arguments to resume "
                "it"
            )
        elif any((folder / name).exists() for name in FILES):
            reason = REMEDY
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
    save_ids(folder, ids)
    save_tensors(folder / PAIRS, {PAIR_HASH: torch.from_numpy(training_hashes(data, ids))})
    files = {name: file_digest(folder / name) for name in (*FILES, PAIRS)}
    write_record(folder / RUN, {"format": FORMAT, **run, "versions": versions(), "files": files})


def original_ids(data: HeteroData, node_type: str) -> np.ndarray:
    """Returns the original ids of the nodes, or their indices if the data has none."""
    store = data[node_type]
    return np.asarray(store.id if "id" in store else np.arange(count_nodes(data, node_type)))


def load_run(folder: Path, with_files: bool = True) -> dict[str, Any] | None:
    """Returns the content of :obj:`run.json` under today's names, or :obj:`None` if there is no
    such file. Raises :class:`ValueError` if it is damaged or of another version of the format, or,
    :obj:`with_files`, if one of the other files was not written with it.
    """
    path = folder / RUN
    if not path.exists():
        return None
    run = upgrade_record(read_record(path, FORMAT, REMEDY))
    validate(RunRecord, run, path, REMEDY)
    if with_files:
        check_files(path, run["files"], run["files"], REMEDY)
    return run


def _ids_file(folder: Path, run: dict[str, Any]) -> Path:
    return folder / (IDS if IDS in run["files"] else FORMER_IDS)


def check_sizes(
    folder: Path, run: dict[str, Any], ids: dict[str, np.ndarray], embeddings: dict[str, Tensor]
) -> None:
    """Raises :class:`DamagedFileError` unless the model, the ids and the embeddings of a run have
    the same users and items.
    """
    for node_type in (USER, ITEM):
        expected, emb = run["options"][f"num_{node_type}s"], embeddings.get(node_type)
        if len(ids[node_type]) != expected:
            found = f"has {len(ids[node_type])} ids of type '{node_type}' for {expected} in {RUN}"
            raise DamagedFileError(_ids_file(folder, run), found, REMEDY)
        if emb is None or emb.dim() != 2 or emb.size(0) != expected:
            size = None if emb is None else list(emb.shape)
            found = f"has embeddings of size {size} for {expected} nodes of type '{node_type}'"
            raise DamagedFileError(folder / EMBEDDINGS, found, REMEDY)


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that results depend on."""
    return {
        "soil_pyg": import_module("soil_pyg").__version__,
        "torch": torch.__version__,
        "torch_geometric": torch_geometric.__version__,
        "python": platform.python_version(),
    }
