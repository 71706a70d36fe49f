from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR, LGMRec, Recommender
from soil_pyg.training.batches_per_step import STEPS, adam_options, batches_per_step
from soil_pyg.typing import Triplets


class OwnLoss(BPR):
    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return super().loss(data, batch)


@pytest.mark.parametrize(
    ("num_triplets", "model_class", "options", "expected"),
    [
        (1, BPR, {}, 1),
        (10 * STEPS, BPR, {}, 1),
        (10 * STEPS + 1, BPR, {}, 2),
        (1_000_000, BPR, {}, -(-100_000 // STEPS)),
        (1_000_000, BPR, {"batches_per_step": 3}, 3),
        (1_000_000, OwnLoss, {}, 1),
        (1_000_000, OwnLoss, {"batches_per_step": 3}, 3),
        (1_000_000, LGMRec, {}, 1),
        (1_000_000, BPR, {"compile": True}, 1),
        (1_000_000, BPR, {"num_partitions": 2}, 1),
    ],
)
def test_number_of_batches(
    num_triplets: int, model_class: type[Recommender], options: dict[str, Any], expected: int
) -> None:
    defaults = {"batches_per_step": "auto", "batch_size": 10, "num_partitions": 1, "compile": False}
    assert batches_per_step(defaults | options, model_class, num_triplets) == expected


def test_options_of_adam() -> None:
    defaults = torch.optim.Adam([torch.zeros(1)]).defaults
    options = adam_options(defaults["lr"], 1)
    assert options == {name: defaults[name] for name in options}
    assert adam_options(0.1, 100)["betas"] == (0.0, 0.9)
    assert adam_options(0.1, 5000)["betas"] == (0.0, 0.0)


def test_a_step_on_equal_gradients_goes_as_far_as_several() -> None:
    ends = []
    for size in (1, 4):
        place = torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.Adam([place], **adam_options(0.01, size))
        generator = torch.Generator().manual_seed(0)
        for _ in range(4000 // size):
            noise = torch.randn(size, generator=generator)
            place.grad = (noise + 0.1).mean().view(1)
            optimizer.step()
        ends.append(place.item())
    assert ends[1] == pytest.approx(ends[0], rel=0.1)
