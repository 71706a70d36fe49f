"""Training of a model on a data folder."""

import logging
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.ranking.item_index import DESCRIPTION, INDEX, ItemIndex, read_description
from soil_pyg.runs import checkpoint
from soil_pyg.runs.schema import WEIGHTS
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.runs.trained_pairs import without_trained_pairs
from soil_pyg.runs.training_run import TrainingRun, TrainResult
from soil_pyg.runs.warm_start import warm_start
from soil_pyg.training.make_fabric import Strategy
from soil_pyg.training.sharded_tables import check_shardable
from soil_pyg.training.tensorboard import TensorBoardLog
from soil_pyg.typing import HELD_OUT_SPLITS, modalities_of
from soil_pyg.utils.checks import check_flag, check_integer, check_path, check_string
from soil_pyg.utils.device import resolve_device
from soil_pyg.utils.files import remove
from soil_pyg.utils.progress import status
from soil_pyg.utils.random_state import random_state_kept
from soil_pyg.workflow.build_graphs import build_graphs
from soil_pyg.workflow.final import FINAL, Validated, refuse_without_held_out, without_held_out
from soil_pyg.workflow.options import ModelOptions, build_model, build_trainer
from soil_pyg.workflow.run_data import LEFT_OUT, load_data_or_folder, open_run
from soil_pyg.workflow.run_folder import run_folder
from soil_pyg.workflow.settings_on import resolved_profile, settings_on

MODEL = "soil"
"""The model that is trained if none is given."""
DEVICE_TYPES = ("cpu", "cuda")
RESERVED = (
    *("data", "model", "profile", "device", "init", "overwrite", FINAL),
    *(f"{LEFT_OUT}{split}" for split in HELD_OUT_SPLITS),
)
"""The settings of a run that are not options of its model, its graphs or its trainer."""
logger = logging.getLogger("soil_pyg")


@random_state_kept()
def train(
    data: HeteroData | str | os.PathLike[str],
    out: str | os.PathLike[str],
    model: str | None = None,
    profile: str | None = None,
    seed: int | None = None,
    *,
    final: TrainedModel | str | os.PathLike[str] | None = None,
    init: TrainedModel | str | os.PathLike[str] | None = None,
    device: str = "auto",
    devices: int = 1,
    num_nodes: int = 1,
    strategy: Strategy = "auto",
    shard_tables: bool = False,
    tensorboard: bool = False,
    progress: bool = True,
    overwrite: bool = False,
    **options: Any,
) -> TrainResult:
    """Trains and evaluates a model and saves it for :func:`soil_pyg.load`.

    In ascending precedence, options come from their defaults, the profile, the settings in
    :mod:`soil_pyg.configs` for a data set of this name, and :obj:`options`. The same call resumes
    an interrupted run, and does nothing if the run is finished; with more :obj:`epochs`, a run that
    has used up its epochs goes on.

    Args:
        data (HeteroData, str or os.PathLike): The data, or the folder written by
            :func:`soil_pyg.prepare`.
        out (str or os.PathLike): The folder of the run.
        model (str): The name of a model of the package, such as :obj:`"lightgcn"`, or
            :obj:`"package.module:Class"`. (default: that of :obj:`final`, or :obj:`"soil"`)
        profile (str, optional): A profile of the model. (default: :obj:`"released"`, or else the
            first one, if the model has profiles)
        seed (int, optional): The seed of the initial weights and of the training.
            (default: that of :obj:`final`, or :obj:`0`)
        final (TrainedModel, str or os.PathLike, optional): A validated run, or its folder, whose
            settings are used and whose best epoch is the number of epochs. The model learns from
            the interactions of every split, and no metrics are computed: this is the model of
            production. (default: :obj:`None`)
        init (TrainedModel, str or os.PathLike, optional): An earlier run of the model, or its
            folder, from which known users and items take their initial weights. The optimiser
            state is not restored. Held-out pairs that the earlier run was trained on, or one that
            it was initialised from, are neither held out nor ranked; the settings
            :obj:`left_out_val` and :obj:`left_out_test` count them. (default: :obj:`None`)
        device (str): :obj:`"auto"`, :obj:`"cpu"` or :obj:`"cuda"`. (default: :obj:`"auto"`)
        devices (int): The number of devices per node, each with a process. (default: :obj:`1`)
        num_nodes (int): The number of nodes. (default: :obj:`1`)
        strategy (str): :obj:`"ddp"` or :obj:`"auto"`, see :class:`~soil_pyg.training.Trainer`.
            (default: :obj:`"auto"`)
        shard_tables (bool): Whether each process holds a part of the rows of each table, see
            :class:`~soil_pyg.training.Trainer`; not with :obj:`init`. (default: :obj:`False`)
        tensorboard (bool): Whether to also write TensorBoard events. (default: :obj:`False`)
        progress (bool): If set to :obj:`False`, shows no progress. (default: :obj:`True`)
        overwrite (bool): Whether to train anew whatever run :obj:`out` holds. The old run is
            replaced when the first epoch or the result is stored, so that wrong input leaves it as
            it is. (default: :obj:`False`)
        **options (optional): Options of the model, of its graphs and of the
            :class:`~soil_pyg.training.Trainer`.

    Raises:
        FileNotFoundError: If the data folder or the run :obj:`init` does not exist.
        ValueError: If an argument or an option is invalid, the data has no features although the
            model requires them, :obj:`out` holds another run or other files, or :obj:`init` is a
            run of another model or size, shares no users and items with the data, was trained on
            nearly all pairs of a held-out split, or does not say what it was trained on; or if
            :obj:`final` is not a finished run of the model.
        ImportError: If TensorBoard is requested but not installed.
        FloatingPointError: If a loss term or a score is not finite.
        ConnectionError: If another process that trains the model has ended.
    """
    check_path("out", out)
    check_string("device", device)
    for name in ("shard_tables", "tensorboard", "progress", "overwrite"):
        check_flag(name, locals()[name])
    validated = None if final is None else Validated.of(open_run(final, FINAL), model, profile)
    selected = ModelOptions((validated.model if validated else MODEL) if model is None else model)
    for name in RESERVED:
        if name in selected.options:
            raise ValueError(
                f"Model '{selected.spec}' must not have an option '{name}', which is reserved"
            )
    given = selected.check(options, "options")
    check_integer("seed", 0 if seed is None else seed, 0)
    check_integer("devices", devices, 1)
    check_integer("num_nodes", num_nodes, 1)
    if init is not None and shard_tables:
        raise ValueError("'init' must be None with shard_tables=True (got a run)")
    place: dict[str, Any] = {"devices": devices, "num_nodes": num_nodes, "strategy": strategy}
    status.step("reading the data")
    found = load_data_or_folder(data)
    if validated is None:
        refuse_without_held_out(found)
        settings = _settings(selected, found, profile, given, place)
    else:
        found = without_held_out(found)
        seed = validated.seed if seed is None else seed
        settings = _settings(selected, found, validated.profile, validated.options | given, place)
        settings[FINAL] = validated.weights
    settings |= {
        "data": None if isinstance(data, HeteroData) else str(Path(data).expanduser().resolve()),
        "model": selected.spec,
        "device": resolve_device(device, supported=DEVICE_TYPES).type,
    }
    place["shard_tables"] = shard_tables
    trainer = build_trainer(selected, settings, seed or 0, progress=progress, **place)
    ranks = trainer.launch()
    graphs = selected.model_class.graph_transform(**selected.values_for("graphs", settings))
    seed_everything(seed or 0)
    with torch.device("meta") if shard_tables else nullcontext():
        recommender = build_model(selected, settings, found)
    if shard_tables:
        check_shardable(recommender)
    if init is not None:
        found, started = _start(recommender, found, init)
        settings |= started
    log = TensorBoardLog(out) if tensorboard else None
    with ranks.explained(), run_folder(Path(out), ranks) as folder:
        # Rejects the folder of another run before the graphs are built, which may take long.
        options = trainer.identity(validate=validated is None)
        known = recommender, found, folder, settings, options, 0, overwrite, shard_tables
        run = ranks.first(lambda: TrainingRun(*known))
        if ranks.share(run is not None and run.finished):
            result = ranks.share(None if run is None else run.result)
            assert result is not None
        else:
            shared = folder if shard_tables else None
            ready = build_graphs(graphs, found, settings["device"], ranks, shared)
            seed_everything(seed or 0)  # Sharded tables are drawn now.
            result = trainer.fit(
                *(recommender, ready, folder, settings, None if log is None else log.on_epoch),
                overwrite=overwrite,
                validate=validated is None,
            )
        ranks.first(lambda: _finish(folder, type(recommender), log, result))
    return result


def _finish(
    folder: Path, model_class: type[Recommender], log: TensorBoardLog | None, result: TrainResult
) -> None:
    """Ends the log and stores the index of the items."""
    if log is not None:
        log.end(result)
    status.step("saving the index of the items")
    trained = checkpoint.load(folder, model_class)
    if not _has_index(trained):
        for name in (DESCRIPTION, INDEX):
            remove(folder / name)
        if (index := ItemIndex.build(trained)) is not None:
            index.save(trained)


def _has_index(trained: TrainedModel) -> bool:
    try:
        return read_description(trained) is not None
    except (ValueError, OSError):
        return False


def _settings(
    selected: ModelOptions,
    data: HeteroData,
    profile: str | None,
    given: dict[str, Any],
    place: dict[str, Any],
) -> dict[str, Any]:
    model_class = selected.model_class
    if model_class.multimodal and not modalities_of(data):
        raise ValueError(
            f"Model '{selected.spec}' requires item features, but 'data' has none: prepare it with "
            "features, or train a model without them, such as 'lightgcn' or 'bpr'"
        )
    profile = resolved_profile(selected, profile)
    name = str(getattr(data, "name", ""))
    settings = settings_on(data, selected, name, profile, given, place)
    return settings | {"profile": profile}


def _start(
    model: Recommender, data: HeteroData, init: TrainedModel | str | os.PathLike[str]
) -> tuple[HeteroData, dict[str, Any]]:
    """Copies the weights of an earlier run into a model. Returns the data without the held-out
    pairs that the run was trained on, and the settings that record this.
    """
    trained = open_run(init, "init")
    data, left_out = without_trained_pairs(data, trained)
    known = warm_start(model, data, trained)
    if not any(known.values()):
        raise ValueError(
            "'init' (--init) must be a run that shares users or items with the data "
            f"(got '{trained.folder}')"
        )
    logger.info("Initialised the weights of %s users and %s items", *known.values())
    settings: dict[str, Any] = {"init": str(trained.run["files"][WEIGHTS])}
    if any(left_out.values()):
        settings |= {f"{LEFT_OUT}{split}": number for split, number in left_out.items()}
        counts = " and ".join(f"{number:,} {split} pairs" for split, number in left_out.items())
        logger.warning(
            "Left out %s, which the run 'init' was trained on; data that is prepared with 'like' "
            "(--like) keeps them in its train split",
            counts,
        )
    return data, settings
