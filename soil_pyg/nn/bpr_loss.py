import torch
import torch.nn.functional as F
from torch import Tensor

from soil_pyg.checks import check_choice


class BPRLoss(torch.nn.Module):
    r"""The Bayesian personalised ranking loss (Eq. 17).

    .. math::
        \mathcal{L} = - \sum_{(u, i, j)} \log \sigma(\hat{y}_{ui} - \hat{y}_{uj})

    from `"BPR: Bayesian Personalized Ranking from Implicit Feedback"
    <https://arxiv.org/abs/1205.2618>`_.

    Args:
        reduction (str, optional): :obj:`"sum"` or :obj:`"mean"` over the batch.
            (default: :obj:`"mean"`)

    Raises:
        ValueError: If :obj:`reduction` is anything else.

    Example:
        >>> BPRLoss()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]))
        tensor(0.6931)
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        check_choice("reduction", reduction, ("sum", "mean"))
        self.reduction = reduction

    def forward(self, positive: Tensor, negative: Tensor) -> Tensor:
        """Returns the loss of pairs of scores.

        Args:
            positive (Tensor): Scores of the positive items, of shape :obj:`[batch_size]`.
            negative (Tensor): Scores of the negative items, of shape :obj:`[batch_size]`.
        """
        loss = -F.logsigmoid(positive - negative)
        return loss.sum() if self.reduction == "sum" else loss.mean()

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(reduction={self.reduction!r})"
