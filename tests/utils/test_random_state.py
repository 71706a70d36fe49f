import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch_geometric import seed_everything

import soil_pyg
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import BPR
from soil_pyg.training import Trainer
from soil_pyg.utils.random_state import random_state_kept


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(1))


def kept(block: Callable[[], object]) -> bool:
    seed_everything(7)
    expected = draw()
    seed_everything(7)
    block()
    return draw() == expected


@random_state_kept()
def seeded() -> None:
    seed_everything(1)
    draw()


@random_state_kept()
def failing() -> None:
    seeded()
    draw()
    raise KeyError


def test_a_function_keeps_the_state_also_if_it_fails() -> None:
    def catch() -> None:
        with pytest.raises(KeyError):
            failing()

    assert kept(seeded)
    assert kept(catch)
    assert not kept(draw)


def test_training_keeps_the_state(tmp_path: object) -> None:
    data = SyntheticMultimodal(40, 30)[0]
    trainer = Trainer(epochs=2, accelerator="cpu", progress=False)
    assert kept(lambda: trainer.fit(BPR(40, 30), data)) is False  # The model is drawn.
    model = BPR(40, 30)
    assert kept(lambda: trainer.fit(model, data))
    options = {"epochs": 1, "device": "cpu", "progress": False}
    assert kept(lambda: soil_pyg.train(data, f"{tmp_path}/run", "bpr", **options))
