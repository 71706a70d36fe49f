from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from soil_pyg.checks import check_choice

LOW_TAU = 0.03
"""Below this temperature the exponential of a cosine could vanish in single precision."""


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
        check_choice("reduction", reduction, ("sum", "mean"))
        self.reduction = reduction

    def forward(self, query: Tensor, candidate: Tensor) -> Tensor:
        """Returns the loss of aligned queries and candidates.

        Args:
            query (Tensor): Queries of shape :obj:`[batch_size, channels]`.
            candidate (Tensor): The candidate of each query, of shape
                :obj:`[batch_size, channels]`.
        """
        loss = _LogRatio.apply(F.normalize(query), F.normalize(candidate), self.tau)
        return loss.sum() if self.reduction == "sum" else loss.mean()

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(tau={self.tau}, reduction={self.reduction!r})"


class _LogRatio(torch.autograd.Function):
    # Keeps one matrix of the size of the batch squared, and multiplies with it in both passes.
    @staticmethod
    def forward(ctx: Any, query: Tensor, candidate: Tensor, tau: float) -> Tensor:
        # A cosine is at most one, so this shift is enough unless the temperature is very low.
        shift = query.new_full((1, 1), -1.0 / tau)
        ratio = torch.addmm(shift, query, candidate.t(), alpha=1.0 / tau)
        peak = torch.zeros_like(ratio[:, 0])
        if tau < LOW_TAU:
            peak = ratio.amax(dim=1)
            ratio -= peak.unsqueeze(1)
        total = ratio.exp_().sum(dim=1)
        ctx.save_for_backward(query, candidate, ratio, total)
        ctx.tau = tau
        return total.log() + peak + (1.0 - (query * candidate).sum(dim=1)) / tau

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        query, candidate, ratio, total = ctx.saved_tensors
        weight = (grad / ctx.tau).unsqueeze(1)
        scaled = weight / total.unsqueeze(1)
        grad_query = (ratio @ candidate) * scaled - candidate * weight
        grad_candidate = ratio.t() @ (query * scaled) - query * weight
        return grad_query, grad_candidate, None


def check_tau(tau: float) -> float:
    """Returns the argument, or raises :class:`ValueError` if it is no temperature."""
    if not tau > 0:
        raise ValueError(f"'tau' must be positive (got {tau})")
    return tau
