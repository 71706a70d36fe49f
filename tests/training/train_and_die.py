"""Trains a model on several processes, one of which is killed in the middle of an epoch.

python train_and_die.py FOLDER DEVICES VICTIM [PARTITIONS]
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import LightGCN
from soil_pyg.training.trainer import Trainer

CALLS = 10
"""The call of the loss in which the victim is killed."""


class Mortal(LightGCN):
    """Is killed with its process."""

    is_victim = False
    calls = 0

    def loss_tables(self, *arguments: Any) -> Any:
        self.calls += 1
        if self.is_victim and self.calls == CALLS:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss_tables(*arguments)


def main(folder: Path, devices: int, victim: int, num_partitions: int = 1) -> None:
    data = LightGCN.graph_transform()(SyntheticMultimodal(60, 40)[0])
    torch.manual_seed(0)
    model = Mortal(60, 40, hidden_channels=8)
    place: dict[str, Any] = {"accelerator": "cpu", "devices": devices}
    options = {"batch_size": 64, "epochs": 4, "progress": False, "lr": 0.02}
    options |= {"num_partitions": num_partitions, "batches_per_step": num_partitions}
    trainer = Trainer(**place, **options, checkpoint_seconds=0)
    model.is_victim = trainer.launch().rank == victim
    trainer.fit(model, data, folder)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
