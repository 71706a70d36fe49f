import pytest
import torch
import torch.nn.functional as F

from soil_pyg.models.loss_tables import LossTables, rank_halves
from soil_pyg.nn import BPRLoss
from soil_pyg.typing import Triplets

BATCH = Triplets(torch.tensor([1, 0]), torch.tensor([2, 2]), torch.tensor([0, 1]))
USER = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
ITEM = torch.tensor([[1.0, 1.0], [0.0, 3.0], [2.0, 1.0]])


def test_rows_of_all_tables() -> None:
    users, items = LossTables([USER, 2 * USER], [ITEM]).rows(BATCH)
    assert [x.tolist() for x in users] == [[[0.0, 2.0], [1.0, 0.0]], [[0.0, 4.0], [2.0, 0.0]]]
    assert [x.tolist() for x in items] == [[[2.0, 1.0], [2.0, 1.0], [1.0, 1.0], [0.0, 3.0]]]


def test_loss_of_triplets() -> None:
    # The scores are 2 over 2 and 2 over 0, the squares of the triplets 4, 5, 2 and 1, 5, 9.
    terms = LossTables([USER], [ITEM]).rank(BATCH, BPRLoss("sum"), reg=0.5)
    expected = -F.logsigmoid(torch.tensor([0.0, 2.0])).sum()
    assert terms["bpr"].item() == pytest.approx(expected.item())
    assert terms["reg"].item() == pytest.approx(0.5 * 26 / 2 / 2)


def test_first_half_is_positive() -> None:
    users, items = LossTables([USER], [ITEM]).rows(BATCH)
    expected = LossTables([USER], [ITEM]).rank(BATCH, BPRLoss(), reg=1.0)["bpr"]
    assert rank_halves(BPRLoss(), users[0], items[0]).item() == expected.item()
