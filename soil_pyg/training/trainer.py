import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.nn import Parameter
from torch.optim import Adam, Optimizer
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.ranking.evaluator import Evaluator, compute_embeddings, held_out
from soil_pyg.runs.training_run import TrainingRun, TrainResult
from soil_pyg.training.epoch import CAUSES, on_data_device, train_epoch
from soil_pyg.training.loss import TrainingLoss
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.progress import EpochProgress
from soil_pyg.training.row_adam import RowAdam
from soil_pyg.typing import HELD_OUT_SPLITS, ITEM, USER

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
# Settings that do not decide the result.
DISPLAY = {"progress", "checkpoint_seconds"}


@dataclass
class Trainer:
    r"""Trains a model with Adam on triples, validates it after every epoch, stops early, and tests
    it once, at the end, with its best weights.

    The learning rate of epoch :math:`e = 0, 1, \ldots` is
    :math:`\eta \cdot \gamma^{e / E}` with :math:`\gamma` = :obj:`lr_decay` and
    :math:`E` = :obj:`lr_decay_epochs`. What an epoch draws follows from the seed and its number
    alone, so on a CPU a run that was interrupted ends with the numbers of one that was not.

    Args:
        lr (float): The learning rate :math:`\eta`. (default: :obj:`1e-3`)
        lr_decay (float): The factor :math:`\gamma`. (default: :obj:`0.96`)
        lr_decay_epochs (float): The epochs :math:`E` that the factor takes. (default: :obj:`50`)
        weight_decay (float): Adam's L2 penalty. (default: :obj:`0.0`)
        batch_size (int): The number of triples in a batch. (default: :obj:`2048`)
        epochs (int): The largest number of epochs. (default: :obj:`1000`)
        patience (int): Training stops after that many epochs without a better validation metric.
            (default: :obj:`10`)
        metric (str): The validation metric. (default: :obj:`"recall@20"`)
        released_stopping (bool): If set to :obj:`True`, compares validation metrics rounded to 4
            decimals and stops when more than :obj:`patience` epochs pass, as the published
            implementations do. (default: :obj:`False`)
        seed (int): The seed of the epochs; the model draws its own initial parameters.
            (default: :obj:`0`)
        accelerator (str): The device, by its name in Lightning Fabric, such as :obj:`"cpu"` or
            :obj:`"cuda"`. (default: :obj:`"auto"`)
        precision (str): One of :obj:`"32-true"`, :obj:`"bf16-mixed"` and :obj:`"16-mixed"`.
            (default: :obj:`"32-true"`)
        num_partitions (int): The number of parts to train on, one after the other, see
            :class:`PartitionLoader`. With more than one the graphs stay on the CPU, where the model
            is evaluated on them, and a step updates the rows of the part's
            nodes alone, see :class:`~soil_pyg.training.row_adam.RowAdam`. (default: :obj:`1`)
        compile (bool): Whether :func:`torch.compile` compiles the loss. (default: :obj:`False`)
        ks (Sequence[int]): The list lengths of the metrics. (default: :obj:`(5, 10, 20, 50)`)
        progress (bool): If set to :obj:`False`, shows nothing. (default: :obj:`True`)
        checkpoint_seconds (float): The time between two checkpoints. (default: :obj:`60`)

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from soil_pyg.models import BPR
        >>> data = HeteroData({"user": {"num_nodes": 2}, "item": {"num_nodes": 4}})
        >>> for name in ("edge_index", "val_edge_label_index", "test_edge_label_index"):
        ...     data["user", "interacts", "item"][name] = torch.tensor([[0, 1], [0, 1]])
        >>> Trainer(epochs=2, progress=False).fit(BPR(num_users=2, num_items=4), data).epochs
        2
    """

    lr: float = 1e-3
    lr_decay: float = 0.96
    lr_decay_epochs: float = 50
    weight_decay: float = 0.0
    batch_size: int = 2048
    epochs: int = 1000
    patience: int = 10
    metric: str = "recall@20"
    released_stopping: bool = False
    seed: int = 0
    accelerator: str = "auto"
    precision: Precision = "32-true"
    num_partitions: int = 1
    compile: bool = False
    ks: Sequence[int] = (5, 10, 20, 50)
    progress: bool = True
    checkpoint_seconds: float = 60

    def __post_init__(self) -> None:
        for name in ("batch_size", "epochs", "patience", "num_partitions"):
            if getattr(self, name) < 1:
                raise ValueError(f"'{name}' must be at least 1 (got {getattr(self, name)})")
        for name in ("lr", "lr_decay", "lr_decay_epochs"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"'{name}' must be greater than 0 (got {getattr(self, name)})")
        for name in ("weight_decay", "seed", "checkpoint_seconds"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"'{name}' must be at least 0 (got {getattr(self, name)})")
        if self.compile and self.num_partitions > 1:
            raise ValueError(
                "'compile' must be False where sizes differ "
                f"(got num_partitions={self.num_partitions})"
            )
        self.evaluator = Evaluator(self.ks)
        options = {"metric": list(self.evaluator.metrics), "precision": get_args(Precision)}
        for name, known in options.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"'{name}' must be one of {', '.join(known)} (got '{getattr(self, name)}')"
                )

    def fit(
        self,
        model: Recommender,
        data: HeteroData,
        out: str | os.PathLike[str] | None = None,
        settings: dict[str, Any] | None = None,
        on_epoch: Callable[[TrainResult], None] | None = None,
        test: bool = True,
    ) -> TrainResult:
        """Trains, validates and tests the model, which has its best weights afterwards.

        Args:
            model (Recommender): The model. Without parameters or loss it is only evaluated.
            data (HeteroData): The data, with the graphs that the model reads.
            out (str or os.PathLike, optional): The folder for :func:`soil_pyg.load`. If it holds
                the same run, that run goes on, or is not run again if it has finished.
                (default: :obj:`None`)
            settings (dict[str, Any], optional): JSON values to keep with the run, such as the
                options of the graphs. (default: :obj:`None`)
            on_epoch (callable, optional): Called with the result so far after every epoch; what it
                raises ends the training. (default: :obj:`None`)
            test (bool, optional): If set to :obj:`False`, leaves the test split alone, as a search
                for settings must. (default: :obj:`True`)

        Raises:
            ValueError: If the data does not fit the model, if a split is empty, or if :obj:`out`
                holds a run that differs.
            FloatingPointError: If a loss term or a score is not finite.
        """
        for node_type, size in {USER: model.num_users, ITEM: model.num_items}.items():
            if size != data[node_type].num_nodes:
                raise ValueError(
                    f"'model' must be made for the {data[node_type].num_nodes} nodes of type "
                    f"'{node_type}' in 'data' (got {size})"
                )
        for split in HELD_OUT_SPLITS if test else HELD_OUT_SPLITS[:1]:
            held_out(data, split)
        fabric = Fabric(accelerator=self.accelerator, devices=1, precision=self.precision)
        device = fabric.device if self.num_partitions == 1 else torch.device("cpu")
        data = copy.copy(data).to(device)
        loader = PartitionLoader(
            data, self.batch_size, self.seed, self.num_partitions, fabric.device
        )
        options = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in DISPLAY}
        if not test:
            options["test"] = False
        run = TrainingRun(model, data, out, settings or {}, options, self.checkpoint_seconds)
        if run.finished:
            model.load_state_dict(run.best)
            return run.result

        parameters = [p for p in model.parameters() if p.requires_grad]
        module: Any = fabric.setup_module(model)
        optimizer: Any = None
        if parameters:
            optimizer = fabric.setup_optimizers(self._make_optimizer(parameters))
            run.restore(model, optimizer)
        with EpochProgress(self.progress) as progress:
            try:
                if optimizer is not None:
                    self._train(fabric, module, optimizer, data, loader, run, progress, on_epoch)
                with on_data_device(model, data):
                    if not run.best:
                        run.keep_best(model, self.evaluator.evaluate(module, data, "val"))
                    model.load_state_dict(run.best)
                    if test:
                        with run.timed("evaluate"):
                            run.result.test = self.evaluator.evaluate(module, data, "test")
                    run.store_model(compute_embeddings(module, data), data, finished=True)
            except KeyboardInterrupt:
                if run.go_back():
                    run.store()
                    model.load_state_dict(run.best)
                    with on_data_device(model, data):
                        run.store_model(compute_embeddings(module, data), data, finished=False)
                    progress.message(
                        f"Interrupted after epoch {run.result.epochs}: the same call with "
                        f"out='{out}' goes on from there."
                    )
                raise
        return run.result

    def _train(
        self,
        fabric: Fabric,
        module: Any,
        optimizer: Optimizer,
        data: HeteroData,
        loader: PartitionLoader,
        run: TrainingRun,
        progress: EpochProgress,
        on_epoch: Callable[[TrainResult], None] | None,
    ) -> None:
        model, result = module.module, run.result
        loss = TrainingLoss(model, self.num_partitions > 1, self.compile)
        while not self._is_over(result):
            epoch = result.epochs
            loader.set_epoch(epoch)
            with run.timed("train"):
                self._start_epoch(model, optimizer, data, epoch)
                batches = progress.track(loader, epoch + 1)
                terms = train_epoch(fabric, loss, optimizer, batches, epoch + 1)
            if not terms:
                return
            with run.timed("evaluate"), on_data_device(model, data):
                try:
                    val = self.evaluator.evaluate(module, data, "val")
                except FloatingPointError as error:
                    raise FloatingPointError(f"Epoch {epoch + 1}: {error}; {CAUSES}") from error
            result.epochs += 1
            result.history.append({"epoch": result.epochs, "loss": terms, "val": val})
            if self._is_better(val, result.val):
                run.keep_best(model, val)
            run.end_epoch(model, optimizer)
            progress.report(result, self.metric)
            if on_epoch is not None:
                on_epoch(result)

    def _make_optimizer(self, parameters: list[Parameter]) -> Optimizer:
        if self.num_partitions > 1:
            return RowAdam(parameters, self.lr, self.weight_decay)
        return Adam(parameters, self.lr, weight_decay=self.weight_decay, fused=True)

    def _start_epoch(
        self, model: Recommender, optimizer: Optimizer, data: HeteroData, epoch: int
    ) -> None:
        seed_everything(int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0]))
        for group in optimizer.param_groups:
            group["lr"] = self.lr * self.lr_decay ** (epoch / self.lr_decay_epochs)
        model.train()
        with on_data_device(model, data):
            model.on_epoch_start(data)

    def _is_better(self, val: dict[str, float], best: dict[str, float]) -> bool:
        new, old = val[self.metric], best.get(self.metric, -1.0)
        return round(new, 4) > round(old, 4) if self.released_stopping else new > old

    def _is_over(self, result: TrainResult) -> bool:
        waited = result.epochs - result.best_epoch
        return result.epochs >= self.epochs or waited >= self.patience + self.released_stopping
