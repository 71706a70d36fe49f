from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor


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
