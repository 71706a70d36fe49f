"""The data that every system trains on, in a folder that any interpreter reads."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Settings:
    """The settings that all systems share.

    Args:
        model (str): :obj:`"bpr"` or :obj:`"lightgcn"`.
        num_users (int): The number of users.
        num_items (int): The number of items.
        hidden_channels (int): The dimension of the embeddings.
        num_layers (int): The number of layers of LightGCN.
        batch_size (int): The number of triplets per batch.
        lr (float): The learning rate of Adam.
        sgd_lr (float): The learning rate of systems that update after each triplet.
        reg (float): The weight of the regularisation.
        epochs (int): The number of epochs.
        threads (int): The number of threads.
        seed (int): The seed.
    """

    model: str
    num_users: int
    num_items: int
    hidden_channels: int
    num_layers: int
    batch_size: int
    lr: float
    sgd_lr: float
    reg: float
    epochs: int
    threads: int
    seed: int


@dataclass(frozen=True)
class Problem:
    """Settings and interactions.

    Args:
        settings (Settings): The settings.
        train (numpy.ndarray): The training interactions, of shape :obj:`[2, num_interactions]`.
        val (numpy.ndarray): The held-out interactions of the val split, none of them a training
            interaction.
    """

    settings: Settings
    train: Array
    val: Array

    def save(self, folder: Path) -> None:
        """Writes the problem to a folder."""
        (folder / "settings.json").write_text(json.dumps(asdict(self.settings)), encoding="utf-8")
        np.savez(folder / "interactions.npz", train=self.train, val=self.val)


def load_problem(folder: Path) -> Problem:
    """Returns the problem of a folder."""
    settings = Settings(**json.loads((folder / "settings.json").read_text("utf-8")))
    with np.load(folder / "interactions.npz", allow_pickle=False) as file:
        return Problem(settings, file["train"], file["val"])
