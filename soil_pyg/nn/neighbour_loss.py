from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from soil_pyg.ops.topk import topk_by_id
from soil_pyg.utils.checks import check_greater, check_integer
from soil_pyg.utils.first_derivative import first_derivative

BLOCK_BYTES = 2**26
"""The size of all matrices of a block of items."""

LARGEST = 46.0
"""The largest difference of logits whose exponentials are used beside each other."""

EPSILON = 1e-9
"""Added to each ratio, as in the released code."""


class NeighbourLoss(torch.nn.Module):
    r"""Draws each item in a view to the items that are near in all views, and then to those that
    are near in this view alone.

    With :math:`\pi_x(i, j) = \mathrm{softmax}_j \cos(\mathbf{x}_i, \mathbf{x}_j)` for the view
    :math:`x`, :math:`\mathcal{A}` holds the :math:`k` items with the largest
    :math:`\sum_y \pi_y + \pi_x` and :math:`\mathcal{A}^{\prime}` the :math:`k` others with the
    largest :math:`\pi_x`. With :math:`e_j = \exp(\cos(\mathbf{x}_i, \mathbf{x}_j) / \tau)`,

    .. math::
        \mathcal{L}_x(i) = - \log \frac{\sum_{j \in \mathcal{A}} e_j}{\sum_j e_j} - \log
        \frac{\sum_{j \in \mathcal{A}^{\prime}} e_j}{\sum_{j \notin \mathcal{A}} e_j}

    averaged over items and views, from `"Improving Multi-modal Recommender Systems by Denoising and
    Aligning Multi-modal Content and User Feedback" <https://arxiv.org/abs/2406.12501>`_. No
    gradient flows through the choice. Items are compared in blocks; nothing as large as items x
    items is held.

    Args:
        k (int, optional): The number of items in each of both sets, cut at the number that there
            are. (default: :obj:`10`)
        tau (float, optional): The temperature :math:`\tau`. (default: :obj:`0.2`)

    Example:
        >>> views = [torch.eye(4), torch.eye(4)]
        >>> NeighbourLoss(k=1, tau=1.0)(views, torch.tensor([0, 2]))
        tensor(1.8423)
    """

    def __init__(self, k: int = 10, tau: float = 0.2) -> None:
        super().__init__()
        check_integer("k", k, 1)
        check_greater("tau", tau, 0)
        self.k = k
        self.tau = tau

    def forward(self, views: Sequence[Tensor], index: Tensor) -> Tensor:
        """Returns the loss of some items.

        Args:
            views (list[Tensor]): The embeddings of all items in each view, of shape
                :obj:`[num_items, channels]`.
            index (Tensor): The distinct items of which the loss is computed, at least one.

        Raises:
            ValueError: If there is no item.
        """
        if len(index) == 0:
            raise ValueError("'index' must name at least one item (got none)")
        dtype = torch.promote_types(views[0].dtype, torch.float)
        unit = [F.normalize(view.to(dtype)) for view in views]
        with torch.autocast(index.device.type, enabled=False):
            loss: Tensor = _Neighbours.apply(  # type: ignore[no-untyped-call]
                index, self.k, self.tau, *unit
            )
        return loss

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(k={self.k}, tau={self.tau})"


class _Neighbours(torch.autograd.Function):
    # The gradients are computed in the forward pass, while the cosines are in memory.
    @staticmethod
    def forward(ctx: Any, index: Tensor, k: int, tau: float, *views: Tensor) -> Tensor:
        num_items = len(views[0])
        num_bytes = (2 * len(views) + 5) * num_items * views[0].element_size()
        grads = [torch.zeros_like(view) for view in views]
        loss = views[0].new_zeros(())
        for rows in torch.split(index, max(1, BLOCK_BYTES // num_bytes)):
            cosines = [view[rows] @ view.t() for view in views]
            shares = [cosine.softmax(dim=1) for cosine in cosines]
            total = sum(shares[1:], start=shares[0])
            for view, grad, cosine, share in zip(views, grads, cosines, shares, strict=True):
                near = topk_by_id(total + share, k)[1]
                far, largest = None, cosine.new_ones(())
                if 2 / tau > LARGEST:
                    far, largest = partial(_logits, view, rows, tau), cosine.amax(1, keepdim=True)
                e = cosine.sub_(largest).div_(tau).exp_()
                value, slope = _contrast(e, share, near, k, far)
                loss = loss + value
                grad += slope.t() @ view[rows]
                grad.index_add_(0, rows, slope @ view)
        scale = 1 / (len(index) * len(views))
        ctx.save_for_backward(*(grad * (scale / tau) for grad in grads))
        return loss * scale

    @staticmethod
    @first_derivative("NeighbourLoss")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, None, *(grad * saved for saved in ctx.saved_tensors)


def _logits(view: Tensor, rows: Tensor, tau: float) -> Tensor:
    return (view[rows] @ view.t()).div_(tau)


def _contrast(
    e: Tensor, share: Tensor, near: Tensor, k: int, logits: Callable[[], Tensor] | None
) -> tuple[Tensor, Tensor]:
    # The loss of a block, summed, and its gradient by the logarithm of `e`.
    e_near, others = e.gather(1, near), e.scatter(1, near, 0)
    sum_near, sum_others = e_near.sum(dim=1, keepdim=True), others.sum(dim=1, keepdim=True)
    total = sum_near + sum_others
    ratio = sum_near / total
    factor = 1 / ((ratio + EPSILON) * total)
    loss = -(ratio + EPSILON).log().sum()
    if near.size(1) == e.size(1):
        return loss, e_near.new_zeros(e.size()).scatter_(1, near, e_near * factor * (ratio - 1))
    k = min(k, e.size(1) - near.size(1))
    next_near = topk_by_id(share.scatter(1, near, -torch.inf), k)[1]
    rest, sum_rest = others, sum_others
    if logits is not None:
        # At a low temperature the others vanish beside the near ones, but not beside each other.
        far = logits().scatter_(1, near, -torch.inf)
        rest = far.sub_(far.amax(dim=1, keepdim=True)).exp_()
        sum_rest = rest.sum(dim=1, keepdim=True)
    e_next = rest.gather(1, next_near)
    next_ratio = e_next.sum(dim=1, keepdim=True) / sum_rest
    next_factor = 1 / ((next_ratio + EPSILON) * sum_rest)
    if rest is others:
        slope = others * (factor * ratio + next_factor * next_ratio)
    else:
        slope = others * (factor * ratio) + rest * (next_factor * next_ratio)
    slope.scatter_(1, near, e_near * factor * (ratio - 1))
    slope.scatter_add_(1, next_near, -e_next * next_factor)
    return loss - (next_ratio + EPSILON).log().sum(), slope
