from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from soil_pyg.nn import BPRLoss
from soil_pyg.nn.split_batch import squared_loss
from soil_pyg.typing import Triplets


@dataclass
class LossTables:
    """The tensors that the loss of a batch reads, apart from the weights of layers.

    Args:
        user (Sequence[Tensor]): Tables with one row per user of the batches.
        item (Sequence[Tensor]): Tables with one row per item.
        terms (dict[str, Tensor], optional): Terms of the loss that are the same for every batch,
            which :meth:`~soil_pyg.models.Recommender.batch_loss` returns, alone or as summands.
            (default: none)
    """

    user: Sequence[Tensor]
    item: Sequence[Tensor]
    terms: dict[str, Tensor] = field(default_factory=dict)

    def rows(self, batch: Triplets) -> tuple[list[Tensor], list[Tensor]]:
        """Returns the rows of the users and of the items of a batch by table; the negative items
        follow the positive ones.
        """
        items = torch.cat([batch.positive, batch.negative])
        users = [F.embedding(batch.user, table) for table in self.user]
        return users, [F.embedding(items, table) for table in self.item]

    def triplets(self, batch: Triplets) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the rows of the users, of the positive and of the negative items of a batch in
        the first tables.
        """
        user, item = self.user[0], self.item[0]
        return (
            F.embedding(batch.user, user),
            F.embedding(batch.positive, item),
            F.embedding(batch.negative, item),
        )

    def rank(self, batch: Triplets, bpr_loss: BPRLoss, reg: float) -> dict[str, Tensor]:
        """Returns the ranking loss of a batch by the first tables, and the squared regularisation
        of the same rows.
        """
        user, positive, negative = self.triplets(batch)
        squared = squared_loss(reg, user, positive, negative)
        bpr = bpr_loss((user * positive).sum(dim=-1), (user * negative).sum(dim=-1))
        return {"bpr": bpr, "reg": squared}


def rank_halves(bpr_loss: BPRLoss, user: Tensor, items: Tensor) -> Tensor:
    """Returns the ranking loss of users and items, the first half of which are positive and the
    others negative.
    """
    positive, negative = items.chunk(2)
    loss: Tensor = bpr_loss((user * positive).sum(dim=-1), (user * negative).sum(dim=-1))
    return loss
