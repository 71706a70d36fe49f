from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from soil_pyg.nn.split_batch import count_batch, gather_batch, sum_batch
from soil_pyg.ops.matmul import SIZE_STEP, matmul_t, uses_onednn
from soil_pyg.utils.checks import check_choice, check_greater
from soil_pyg.utils.first_derivative import first_derivative

CPU_BLOCK_BYTES = 2**21
"""The size of a block of similarities on a CPU, which stays in the cache."""

BLOCK_BYTES = 2**28
"""The size of a block of similarities on other devices, where few large products are fastest."""

MIN_UNSHIFTED_TAU = 0.025
"""The lowest temperature at which no exponential of a cosine overflows or vanishes."""


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
        check_greater("tau", tau, 0)
        check_choice("reduction", reduction, ("sum", "mean"))
        self.tau = tau
        self.reduction = reduction

    def forward(
        self,
        query: Tensor,
        candidate: Tensor,
        pairs: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Tensor:
        """Returns the loss of a batch of pairs of a query and its candidate.

        Args:
            query (Tensor): Queries of shape :obj:`[num_queries, channels]`.
            candidate (Tensor): Candidates of shape :obj:`[num_candidates, channels]`.
            pairs (Tensor, optional): The row in :obj:`query` and the row in :obj:`candidate` of
                each pair, of shape :obj:`[2, batch_size]`: a row that is part of several pairs is
                multiplied once. (default: :obj:`None`, each query with the candidate of the same
                row)
            weight (Tensor, optional): How often each candidate counts in the denominator, of shape
                :obj:`[num_candidates]`. A tensor of ones contrasts each query with all candidates,
                whether they are in a pair or not. If it is given, :obj:`candidate` must be the same
                table on all processes. No gradient flows to it.
                (default: :obj:`None`, the number of pairs of the candidate)

        Raises:
            ValueError: If the batch has no candidate.
        """
        return self.compare(self.normalize(query), self.normalize(candidate), pairs, weight)

    def normalize(self, x: Tensor) -> Tensor:
        """Returns rows of unit length for :meth:`compare`, in at least single precision."""
        return F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)))

    def compare(
        self,
        query: Tensor,
        candidate: Tensor,
        pairs: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Tensor:
        """Returns the loss of normalised rows; arguments as for the call."""
        if pairs is None:
            pairs = torch.arange(len(query), device=query.device).expand(2, -1)
        first, second = pairs
        cosine = F.embedding(first, query) * F.embedding(second, candidate)
        if weight is None:
            weight = gather_batch(_count(second, candidate))
            candidate = gather_batch(candidate)
        if len(candidate) == 0:
            raise ValueError("'candidate' must have at least one row (got none)")
        weight = weight.to(candidate.dtype)
        times = _count(first, query)
        with torch.autocast(query.device.type, enabled=False):
            loss: Tensor = _LogPartition.apply(  # type: ignore[no-untyped-call]
                query, candidate, times, weight, self.tau
            )
        loss = sum_batch(loss - cosine.sum() / self.tau)
        return loss if self.reduction == "sum" else loss / count_batch(first)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(tau={self.tau}, reduction={self.reduction!r})"


class _LogPartition(torch.autograd.Function):
    # All terms share one upstream gradient, so the gradients are computed in the forward pass,
    # while the ratios are in memory.
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, candidate: Tensor, times: Tensor, weight: Tensor, tau: float
    ) -> Tensor:
        num_queries, num_candidates = len(query), len(candidate)
        if uses_onednn(query, candidate):
            query, times, candidate, weight = map(_round_up, (query, times, candidate, weight))
        # A candidate without a pair must not set the peak: another one, counted 0 times, replaces
        # it.
        weight = weight.unsqueeze(1)
        used = candidate.index_select(0, weight.argmax(dim=0))
        candidate = torch.where(weight > 0, candidate, used)
        loss = query.new_zeros(())
        scaled, weighted = query / tau, candidate * weight
        grad_query = torch.empty_like(query)
        grad_candidate_t = torch.zeros_like(candidate.t())
        num_bytes = CPU_BLOCK_BYTES if query.device.type == "cpu" else BLOCK_BYTES
        num_rows = max(num_bytes // (len(candidate) * query.element_size()), 1)
        block = query.new_empty(min(num_rows, len(query)), len(candidate))
        for start in range(0, len(query), num_rows):
            rows = slice(start, start + num_rows)
            part = scaled[rows]
            ratio = matmul_t(part, candidate, out=block[: len(part)])
            if tau < MIN_UNSHIFTED_TAU:
                peak = ratio.amax(dim=1, keepdim=True)
                ratio.sub_(peak)
                loss = loss + times[rows] @ peak.squeeze(1)
            total = ratio.exp_() @ weight
            loss = loss + times[rows] @ total.log().squeeze(1)
            if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
                scale = times[rows].unsqueeze(1) / total
                torch.mul(matmul_t(ratio, weighted.t()), scale / tau, out=grad_query[rows])
                grad_candidate_t += matmul_t((part * scale).t(), ratio.t())
        grad_candidate = grad_candidate_t.t() * weight
        ctx.save_for_backward(grad_query[:num_queries], grad_candidate[:num_candidates])
        return loss

    @staticmethod
    @first_derivative("InfoNCELoss")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_query, grad_candidate = ctx.saved_tensors
        return grad * grad_query, grad * grad_candidate, None, None, None


def _round_up(x: Tensor) -> Tensor:
    # Few sizes, so that oneDNN compiles little code; the padding counts 0 times.
    return F.pad(x, [0, 0] * (x.dim() - 1) + [0, -len(x) % SIZE_STEP])


def _count(index: Tensor, x: Tensor) -> Tensor:
    return x.new_zeros(len(x)).index_add_(0, index, x.new_ones(len(index)))
