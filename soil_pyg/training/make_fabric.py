import os
from datetime import timedelta
from typing import Any, Literal

from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch.nn import Module

Strategy = Literal["auto", "ddp"]
WAIT = timedelta(hours=12)
"""The time that processes wait for one that builds graphs. They notice at once if another ends."""


class _PlainDDP(DDPStrategy):
    """The processes of DDP without its wrapper: the wrapper refuses sparse gradients and a backward
    pass per batch, and :class:`~soil_pyg.training.ranks.Ranks` adds the gradients up instead.
    """

    def setup_module(self, module: Module) -> Module:  # type: ignore[override]
        return module


def make_fabric(
    accelerator: str,
    precision: Any,
    strategy: Strategy = "auto",
    devices: int = 1,
    num_nodes: int = 1,
) -> Fabric:
    """Returns Lightning Fabric for the devices of all nodes.

    Raises:
        ValueError: If this machine has no such devices, or if another number of processes was
            started.
    """
    _check_processes(devices, num_nodes)
    is_single = strategy == "auto" and devices * num_nodes == 1
    try:
        return Fabric(
            accelerator=accelerator,
            strategy="auto" if is_single else _PlainDDP(timeout=WAIT),
            devices=devices,
            num_nodes=num_nodes,
            precision=precision,
        )
    except (ValueError, RuntimeError, ImportError, MisconfigurationException) as error:
        count = f" with devices={devices}" if devices > 1 else ""
        raise ValueError(
            "'accelerator' must be the name of a device of this machine in Lightning Fabric "
            f"(got {accelerator!r}{count}: {str(error).strip().splitlines()[0]})"
        ) from error


def _check_processes(devices: int, num_nodes: int) -> None:
    # torchrun, 'fabric run' and Fabric itself set the first, srun the second.
    for name in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        started = int(os.environ.get(name) or 1)
        if started > 1 and started != devices * num_nodes:
            per_node = int(os.environ.get("LOCAL_WORLD_SIZE") or started)
            wanted = f"{per_node} with num_nodes={started // per_node}"
            raise ValueError(
                f"'devices' must be {wanted} to train one model on the {started} processes that "
                f"were started, {name}={started} (got {devices} with num_nodes={num_nodes})"
            )
        if started > 1:
            return
