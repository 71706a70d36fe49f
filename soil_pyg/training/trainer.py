import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from torch.optim import Optimizer
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.batches_per_step import BatchesPerStep, batches_per_step
from soil_pyg.training.check_options import EvaluatedWeights, Precision, check_fit, check_options
from soil_pyg.training.early_stopping import EarlyStopping
from soil_pyg.training.epoch import CAUSES, train_epoch
from soil_pyg.training.last_forward import LastForward
from soil_pyg.training.make_fabric import Strategy, make_fabric
from soil_pyg.training.open_run import open_run
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.progress import EpochProgress
from soil_pyg.training.ranks import Ranks
from soil_pyg.training.session import Session
from soil_pyg.training.sharded_tables import ShardedTables
from soil_pyg.typing import HELD_OUT_SPLITS, INTERACTS
from soil_pyg.utils.checks import check_choice
from soil_pyg.utils.random_state import random_state_kept
from soil_pyg.utils.threads import limit_spins_late

OnEpoch = Callable[[TrainResult], None]

NEUTRAL = {"progress", "checkpoint_seconds", "strategy", "devices", "num_nodes", "shard_tables"}
"""Options that the result does not depend on."""


@dataclass
class Trainer:
    r"""Trains a model with Adam on triplets, validates it after every epoch, stops early, and tests
    it once, at the end, with its best weights.

    The learning rate of epoch :math:`e = 0, 1, \ldots` is
    :math:`\eta \cdot \gamma^{e / E}` with :math:`\gamma` = :obj:`lr_decay` and
    :math:`E` = :obj:`lr_decay_epochs`. All random numbers of an epoch follow from the seed and the
    number of the epoch, so that on a CPU a resumed run gives the result of an uninterrupted one.

    Args:
        lr (float): The learning rate :math:`\eta`. (default: :obj:`1e-3`)
        lr_decay (float): The factor :math:`\gamma`. (default: :obj:`0.96`)
        lr_decay_epochs (float): The number of epochs :math:`E` per factor. (default: :obj:`50`)
        weight_decay (float): Adam's L2 penalty. (default: :obj:`0.0`)
        batch_size (int): The number of triplets per batch. (default: :obj:`2048`)
        epochs (int): The largest number of epochs. (default: :obj:`1000`)
        patience (int): The number of epochs without a better validation metric after which
            training stops. Published runs use 10 or 20, which may end training on other data in a
            dip. (default: :obj:`60`)
        metric (str): The validation metric. (default: :obj:`"recall@20"`)
        released_stopping (bool): If set to :obj:`True`, compares validation metrics rounded to 4
            decimals and stops when more than :obj:`patience` epochs pass, as the published
            implementations do. (default: :obj:`False`)
        evaluate (str): The weights that are validated after an epoch, and kept if they are the
            best: the :obj:`"current"` ones, or those before the last step, :obj:`"last_forward"`,
            as in the released code of MMGCN, GRCN, DualGNN, DRAGON, MENTOR and COHESION. They are
            validated on whole graphs, whatever edges the last batch was trained without.
            (default: :obj:`"current"`)
        seed (int): The seed of the epochs, not of initial parameters. (default: :obj:`0`)
        accelerator (str): The device, by its name in Lightning Fabric, such as :obj:`"cpu"` or
            :obj:`"cuda"`. (default: :obj:`"auto"`)
        precision (str): One of :obj:`"32-true"`, :obj:`"bf16-mixed"` and :obj:`"16-mixed"`.
            (default: :obj:`"32-true"`)
        batches_per_step (int or str): The number of batches per step of the optimizer, whose
            gradients are averaged. They share one propagation through the graphs, unless the model
            defines :meth:`~soil_pyg.models.Recommender.loss` itself. :obj:`"auto"` is the smallest
            number with at most 64 steps per epoch, so that the time of an epoch does not grow with
            the square of the data. With partitions it is one per process; it is 1 with a compiled
            loss or a model that cannot share a propagation. The options of Adam are scaled, see
            :func:`~soil_pyg.training.batches_per_step.adam_options`. (default: :obj:`"auto"`)
        num_partitions (int): The number of partitions of an epoch, for graphs that the device
            cannot hold, at the cost of accuracy. They are trained one after another, see
            :class:`~soil_pyg.training.PartitionLoader`. With more than one, graphs and evaluation
            stay on the CPU, and a step updates only the rows of the partition's nodes, see
            :class:`~soil_pyg.training.row_adam.RowAdam`. (default: :obj:`1`)
        compile (bool): Whether to compile the loss. (default: :obj:`False`)
        ks (Sequence[int]): The list lengths of the metrics. (default: :obj:`(5, 10, 20, 50)`)
        progress (bool): If set to :obj:`False`, shows no progress. (default: :obj:`True`)
        checkpoint_seconds (float): The time between two checkpoints, in seconds. A state of more
            than 256 MiB or of sharded tables is stored every epoch. (default: :obj:`60`)
        strategy (str): :obj:`"ddp"` trains on several processes, which split every batch of the
            whole graph or train partitions of their own; :obj:`"auto"` does so for more than one
            device. They are started by :obj:`torchrun`, SLURM or, on one node, by Lightning
            Fabric. (default: :obj:`"auto"`)
        devices (int): The number of devices per node, each with a process. (default: :obj:`1`)
        num_nodes (int): The number of nodes. (default: :obj:`1`)
        shard_tables (bool): Whether each process holds a part of the rows of each table. Needs
            partitions and a folder :obj:`out` that all nodes share. (default: :obj:`False`)

    Raises:
        ValueError: If an argument is out of range, or arguments exclude each other, such as
            :obj:`compile` and more than one process or partition.

    Example:
        >>> from soil_pyg.datasets import SyntheticMultimodal
        >>> from soil_pyg.models import BPR
        >>> data = SyntheticMultimodal(40, 30)[0]
        >>> Trainer(epochs=2, progress=False).fit(BPR(num_users=40, num_items=30), data).epochs
        2
    """

    lr: float = 1e-3
    lr_decay: float = 0.96
    lr_decay_epochs: float = 50
    weight_decay: float = 0.0
    batch_size: int = 2048
    epochs: int = 1000
    patience: int = 60
    metric: str = "recall@20"
    released_stopping: bool = False
    evaluate: EvaluatedWeights = "current"
    seed: int = 0
    accelerator: str = "auto"
    precision: Precision = "32-true"
    batches_per_step: BatchesPerStep = "auto"
    num_partitions: int = 1
    compile: bool = False
    ks: Sequence[int] = (5, 10, 20, 50)
    progress: bool = True
    checkpoint_seconds: float = 60
    strategy: Strategy = "auto"
    devices: int = 1
    num_nodes: int = 1
    shard_tables: bool = False

    def __post_init__(self) -> None:
        check_options(vars(self))
        self.evaluator = Evaluator(self.ks)
        check_choice("metric", self.metric, tuple(self.evaluator.names))

    def result_options(self) -> dict[str, Any]:
        """Returns the options that the result depends on."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in NEUTRAL}

    def identity(self, validate: bool = True, test: bool = True) -> dict[str, Any]:
        """Returns the options of a run of :meth:`fit` that the result depends on."""
        flags = {"test": test and validate, "validate": validate}
        return self.result_options() | {name: False for name, on in flags.items() if not on}

    @random_state_kept()
    def fit(
        self,
        model: Recommender,
        data: HeteroData,
        out: str | os.PathLike[str] | None = None,
        settings: dict[str, Any] | None = None,
        on_epoch: OnEpoch | None = None,
        test: bool = True,
        overwrite: bool = False,
        validate: bool = True,
    ) -> TrainResult:
        """Trains, validates and tests a model, and leaves it with its best weights, of sharded
        tables with the rows of this process.

        At a :class:`KeyboardInterrupt`, the last complete epoch is stored to :obj:`out`. Signals
        other than Ctrl-C are left to the program.

        Args:
            model (Recommender): The model, which is only evaluated if it has no parameters or loss
                terms. Sharded tables of a model on the device :obj:`"meta"` are never held whole.
            data (HeteroData): The data, with the graphs of the model.
            out (str or os.PathLike, optional): The folder for :func:`soil_pyg.load`. If it holds
                the same run, the run is resumed, or its result returned if it has finished.
                (default: :obj:`None`)
            settings (dict[str, Any], optional): JSON values to keep. (default: :obj:`None`)
            on_epoch (callable, optional): Called with the result so far after every epoch; an
                exception that it raises ends the training. (default: :obj:`None`)
            test (bool, optional): If set to :obj:`False`, does not use the test split, for
                searches of hyperparameters. (default: :obj:`True`)
            overwrite (bool, optional): Whether to start anew and replace the run in :obj:`out`
                when the first result is stored. (default: :obj:`False`)
            validate (bool, optional): If set to :obj:`False`, uses no held-out split: all epochs
                are trained, and the last weights are kept. (default: :obj:`True`)

        Raises:
            ValueError: If the data does not fit the model, a split is empty, or :obj:`out` holds
                another run.
            FloatingPointError: If a loss term or a score is not finite.
            ConnectionError: If another process that trains the model has ended.
        """
        test = test and validate
        out = None if out is None else Path(out).expanduser()
        check_fit(model, data, HELD_OUT_SPLITS[: validate + test])
        ranks = self.launch()
        data = copy.copy(data).to("cpu" if self.num_partitions > 1 else ranks.fabric.device)
        options = self.identity(validate, test)
        options["batches_per_step"] = size = batches_per_step(
            vars(self), type(model), data[INTERACTS].edge_index.size(1)
        )
        loader = None
        if any(parameter.requires_grad for parameter in model.parameters()):
            dealt = self.num_partitions, ranks.fabric.device, size, ranks.rank, ranks.size
            loader = PartitionLoader(data, self.batch_size, self.seed, *dealt)
        tables = ShardedTables(model, ranks) if self.shard_tables else None
        known = settings or {}, options, self.checkpoint_seconds, overwrite
        run = open_run(ranks, tables, model, data, out, *known)
        with EpochProgress(self._stopping(), self.progress and ranks.rank == 0) as progress:
            parts = model, ranks.fabric.setup_module(model), data, loader, run, self.evaluator
            session = Session(ranks, *parts, progress, size, tables)
            if run.finished:
                session.load_best()
                return run.result
            optimizer = session.make_optimizer(self.lr, self.weight_decay)
            session.restore(optimizer)
            with session.stored_on_failure(out):
                if optimizer is not None:
                    self._train(session, optimizer, on_epoch, validate)
                    optimizer = None  # The moments are as large as two models.
                if not ranks.share(run.has_best):
                    run.keep_best(model, session.evaluate("val") if validate else {})
                session.load_best()
                ranks.log_traffic()
                if test:
                    run.result.test = session.evaluate("test")
                    self._stopping().warn(run.result)
                session.store_model(finished=True)
        return run.result

    def launch(self) -> Ranks:
        """Joins the processes that train together, which Fabric starts if nothing else has."""
        device = self.accelerator, self.precision
        return Ranks(make_fabric(*device, self.strategy, self.devices, self.num_nodes))

    def _train(
        self, session: Session, optimizer: Optimizer, on_epoch: OnEpoch | None, validate: bool
    ) -> None:
        run, result, loader = session.run, session.run.result, session.loader
        assert loader is not None
        ranks, loss = session.ranks, session.make_loss(self.compile)
        last = LastForward(session.model, self.evaluate == "last_forward")
        stopping = self._stopping()
        limit_spins_late()
        while not stopping.is_over(result):
            epoch = result.epochs + 1
            with run.timed("train"):
                decay = self.lr_decay ** (result.epochs / self.lr_decay_epochs)
                session.start_epoch(optimizer, self.seed, self.lr, decay)
                steps = loader.steps(ranks.each(loader.lane_lengths))
                batches = session.progress.track(loader, len(loader), epoch)
                taken = ranks, loss, optimizer, batches, steps, epoch, last.keep, self.seed
                terms = train_epoch(*taken)
            if not terms:
                return
            with last.weights():
                try:
                    val = session.evaluate("val") if validate else {}
                except FloatingPointError as error:
                    raise FloatingPointError(f"Epoch {epoch}: {error}; {CAUSES}") from error
                result.epochs = epoch
                result.history.append({"epoch": epoch, "loss": terms, "val": val})
                if stopping.is_better(val, result.val):
                    run.keep_best(session.model, val)
            session.end_epoch(optimizer)
            session.progress.report(result)
            if on_epoch is not None:
                ranks.first(partial(on_epoch, result))

    def _stopping(self) -> EarlyStopping:
        return EarlyStopping(self.metric, self.patience, self.epochs, self.released_stopping)
