from typing import ClassVar

from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.loss_tables import LossTables
from soil_pyg.models.simgcl import SimGCL, mean, to_tables
from soil_pyg.utils.checks import check_integer


class XSimGCL(SimGCL):
    r"""Contrast between the layers of one noisy propagation, from the `"XSimGCL: Towards Extremely
    Simple Graph Contrastive Learning for Recommendation" <https://arxiv.org/abs/2209.02544>`_
    paper.

    Embeddings and noise are those of :class:`SimGCL`. In training, a single noisy propagation
    serves the ranking loss and the contrast, which compares its mean over the layers with one of
    its layers.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers, reg, tau (optional): See :class:`SimGCL`.
        contrast_layer (int, optional): The layer that is compared with the mean, from 1 to
            :obj:`num_layers`. (default: :obj:`1`)
        eps (float, optional): The length of the noise. (default: :obj:`0.2`)
        cl_weight (float, optional): The weight of the contrast. (default: :obj:`0.2`)
    """

    row_wise = True

    contrasted: ClassVar[tuple[int, int]] = (0, 2)

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 3,
        contrast_layer: int = 1,
        reg: float = 1e-4,
        eps: float = 0.2,
        cl_weight: float = 0.2,
        tau: float = 0.2,
    ) -> None:
        super().__init__(
            *(num_users, num_items, in_channels),
            hidden_channels=hidden_channels,
            num_layers=num_layers,
            reg=reg,
            eps=eps,
            cl_weight=cl_weight,
            tau=tau,
        )
        check_integer("contrast_layer", contrast_layer, 1, num_layers)
        self.contrast_layer = contrast_layer

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the noisy and the initial embeddings, and the layer to compare."""
        layers = list(self.layers(data, noisy=True))
        return to_tables(users, mean(iter(layers)), self.tables, layers[self.contrast_layer - 1])
