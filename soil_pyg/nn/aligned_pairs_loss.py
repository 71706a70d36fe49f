import torch
from torch import Tensor

from soil_pyg.checks import check_choice
from soil_pyg.nn.info_nce_loss import check_tau


class AlignedPairsLoss(torch.nn.Module):
    r"""Contrasts each aligned pair with all aligned pairs of the batch (Eq. 15 and 16).

    .. math::
        \mathcal{L} = - \sum_{b=1}^{B} \log \frac{\exp(\mathbf{q}_b^{\top} \mathbf{c}_b / \tau)}
        {\sum_{b^{\prime}=1}^{B} \exp(\mathbf{q}_{b^{\prime}}^{\top} \mathbf{c}_{b^{\prime}} /
        \tau)}

    from `"SOIL: Contrastive Second-Order Interest Learning for Multimodal Recommendation"
    <https://doi.org/10.1145/3664647.3681207>`_. The denominator is one number for the batch and
    repeated pairs count as often as they occur.

    Args:
        tau (float, optional): The temperature :math:`\tau`. (default: :obj:`0.2`)
        reduction (str, optional): :obj:`"sum"` or :obj:`"mean"` over the batch.
            (default: :obj:`"sum"`)

    Raises:
        ValueError: If :obj:`tau` is not positive or :obj:`reduction` is anything else.

    Example:
        >>> x = torch.eye(2)
        >>> AlignedPairsLoss(tau=1.0)(x, x)
        tensor(1.3863)
    """

    def __init__(self, tau: float = 0.2, reduction: str = "sum") -> None:
        super().__init__()
        self.tau = check_tau(tau)
        check_choice("reduction", reduction, ("sum", "mean"))
        self.reduction = reduction

    def forward(self, query: Tensor, candidate: Tensor) -> Tensor:
        """Returns the loss of aligned queries and candidates.

        Args:
            query (Tensor): Queries of shape :obj:`[batch_size, channels]`.
            candidate (Tensor): The candidate of each query, of shape
                :obj:`[batch_size, channels]`.
        """
        log_ratio = ((query * candidate).sum(dim=-1) / self.tau).log_softmax(dim=0)
        return -(log_ratio.sum() if self.reduction == "sum" else log_ratio.mean())

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(tau={self.tau}, reduction={self.reduction!r})"
