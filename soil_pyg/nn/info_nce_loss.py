import torch
import torch.nn.functional as F
from torch import Tensor

from soil_pyg.nn.bpr_loss import check_reduction


class InfoNCELoss(torch.nn.Module):
    r"""Contrasts each query with the candidates of the whole batch by their cosine.

    .. math::
        \mathcal{L} = - \frac{1}{B} \sum_{b=1}^{B} \log \frac{\exp(\cos(\mathbf{q}_b,
        \mathbf{c}_b) / \tau)}{\sum_{b^{\prime}=1}^{B} \exp(\cos(\mathbf{q}_b,
        \mathbf{c}_{b^{\prime}}) / \tau)}

    from `"Representation Learning with Contrastive Predictive Coding"
    <https://arxiv.org/abs/1807.03748>`_, in the form of the code released with `"SOIL: Contrastive
    Second-Order Interest Learning for Multimodal Recommendation"
    <https://doi.org/10.1145/3664647.3681207>`_.

    Args:
        tau (float, optional): The temperature :math:`\tau`. (default: :obj:`0.2`)
        reduction (str, optional): :obj:`"sum"` or :obj:`"mean"` over the batch.
            (default: :obj:`"mean"`)

    Raises:
        ValueError: If :obj:`tau` is not positive or :obj:`reduction` is anything else.

    Example:
        >>> x = torch.eye(2)
        >>> InfoNCELoss(tau=1.0)(x, x)
        tensor(0.3133)
    """

    def __init__(self, tau: float = 0.2, reduction: str = "mean") -> None:
        super().__init__()
        self.tau = check_tau(tau)
        self.reduction = check_reduction(reduction)

    def forward(self, query: Tensor, candidate: Tensor) -> Tensor:
        """Returns the loss of aligned queries and candidates.

        Args:
            query (Tensor): Queries of shape :obj:`[batch_size, channels]`.
            candidate (Tensor): The candidate of each query, of shape
                :obj:`[batch_size, channels]`.
        """
        similarity = F.normalize(query) @ F.normalize(candidate).t()
        target = torch.arange(query.size(0), device=query.device)
        return F.cross_entropy(similarity / self.tau, target, reduction=self.reduction)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(tau={self.tau}, reduction={self.reduction!r})"


def check_tau(tau: float) -> float:
    """Returns the argument, or raises :class:`ValueError` if it is no temperature."""
    if not tau > 0:
        raise ValueError(f"'tau' must be positive (got {tau})")
    return tau
