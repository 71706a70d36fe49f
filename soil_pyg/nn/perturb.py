import torch
import torch.nn.functional as F
from torch import Tensor

from soil_pyg.utils.checks import check_at_least


def perturb(x: Tensor, noise: float) -> Tensor:
    r"""Adds noise of a fixed length to each row, which keeps the signs of its entries.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{x}_i + \epsilon \, \mathrm{sign}(\mathbf{x}_i) \odot
        \frac{\mathbf{r}_i}{\|\mathbf{r}_i\|}, \qquad \mathbf{r}_i \sim \mathcal{U}(0, 1)^F

    from `"Are Graph Augmentations Necessary? Simple Graph Contrastive Learning for Recommendation"
    <https://arxiv.org/abs/2112.08679>`_.

    Args:
        x (Tensor): The rows.
        noise (float): The length :math:`\epsilon` of the noise; nothing is drawn if it is 0.

    Raises:
        ValueError: If :obj:`noise` is negative.

    Example:
        >>> x = torch.tensor([[3.0, -4.0]])
        >>> (perturb(x, noise=0.5) - x).norm()
        tensor(0.5000)
    """
    check_at_least("noise", noise, 0)
    if noise == 0:
        return x
    return x + noise * x.sign() * F.normalize(torch.rand_like(x))
