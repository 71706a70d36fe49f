from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Linear

from soil_pyg.utils.checks import check_flag, check_integer


class AttentionFusion(torch.nn.Module):
    r"""Fuses one view per modality; the less attention a view gets, the more it weighs (Eq. 14).

    .. math::
        \alpha_m = \mathrm{softmax}_m \left( \mathbf{q}^{\top} \tanh(\mathbf{W} \mathbf{v}_m +
        \mathbf{b}) \right), \qquad \mathbf{s} = \sum_m (1 - \alpha_m) \, \mathbf{v}_m

    from `"SOIL: Contrastive Second-Order Interest Learning for Multimodal Recommendation"
    <https://doi.org/10.1145/3664647.3681207>`_. A single view has the weight 1, as
    the formula would give zero; :obj:`divide` halves it.

    Args:
        channels (int): The dimension of the views.
        divide (bool, optional): If set to :obj:`True`, divides the sum by the number of
            modalities plus one, as the released code does. (default: :obj:`False`)

    Shapes:
        - **inputs:** one view :math:`(|\mathcal{V}|, F)` per modality
        - **outputs:** :math:`(|\mathcal{V}|, F)`

    Example:
        >>> fusion = AttentionFusion(channels=8)
        >>> fusion([torch.randn(5, 8), torch.randn(5, 8), torch.randn(5, 8)]).size()
        torch.Size([5, 8])
    """

    def __init__(self, channels: int, divide: bool = False) -> None:
        super().__init__()
        check_integer("channels", channels, 1)
        check_flag("divide", divide)
        self.channels = channels
        self.divide = divide
        self.project = Linear(channels, channels)
        self.query = Linear(channels, 1, bias=False)

    def reset_parameters(self) -> None:
        """Draws new weights, as PyTorch's linear layers do."""
        self.project.reset_parameters()
        self.query.reset_parameters()

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """Fuses the views of the same nodes.

        Args:
            views (list[Tensor]): One view per modality.

        Raises:
            ValueError: If there is no view.
        """
        if len(views) == 0:
            raise ValueError("'views' must hold at least one view (got none)")
        divisor = len(views) + 1 if self.divide else 1
        if len(views) == 1:
            return views[0] / divisor
        scores = [self.query(self.project(view).tanh()) for view in views]
        attention = torch.cat(scores, dim=-1).softmax(dim=-1)
        weights = torch.split((1 - attention) / divisor, 1, dim=-1)
        out: Tensor = weights[0] * views[0]
        for weight, view in zip(weights[1:], views[1:], strict=True):
            out = torch.addcmul(out, weight, view)
        return out

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.channels}, divide={self.divide})"
