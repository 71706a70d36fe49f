"""SOIL with items without features in its graphs, as items with features of zeros."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import SOIL
from soil_pyg.models.soil_graphs import SOILGraphs
from soil_pyg.typing import FEATURE_PREFIX, ITEM, modalities_of


class ZeroSOILGraphs(SOILGraphs):
    """Builds the graphs of SOIL with items whose features are zeros.

    Such an item is similar only to itself: it has a self-loop in the modality's graphs and is no
    second-order item, because the product of its similarities is zero. The library instead leaves
    it out of the modality's graphs and of the product.

    Args:
        **options (optional): The options of :class:`~soil_pyg.models.soil_graphs.SOILGraphs`.
    """

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        names = [FEATURE_PREFIX + modality for modality in modalities_of(data)]
        given = {name: data[ITEM][name] for name in names}
        for name, x in given.items():
            data[ITEM][name] = with_own_directions(x)
        data = super().forward(data)
        for name, x in given.items():
            data[ITEM][name] = x
        return data


class ZeroSOIL(SOIL):
    """SOIL on the graphs of :class:`ZeroSOILGraphs`."""

    @classmethod
    def graph_transform(cls, profile: str = "paper", **options: Any) -> SOILGraphs:
        """Returns the transform that builds the graphs.

        Args:
            profile (str, optional): The profile whose options are the defaults.
                (default: :obj:`"paper"`)
            **options (optional): The options of :class:`~soil_pyg.models.soil_graphs.SOILGraphs`.
        """
        return ZeroSOILGraphs(**{**cls.profile_options(profile, SOILGraphs), **options})


def with_own_directions(x: Tensor) -> Tensor:
    """Appends a column per row of zeros, which is one in that row and zero elsewhere.

    Example:
        >>> with_own_directions(torch.tensor([[0.0], [2.0], [0.0]]))
        tensor([[0., 1., 0.],
                [2., 0., 0.],
                [0., 0., 1.]])
    """
    zero = (x == 0).all(dim=1).nonzero().view(-1)
    own = x.new_zeros(len(x), len(zero))
    own[zero, torch.arange(len(zero), device=x.device)] = 1
    return torch.cat([x, own], dim=1)
