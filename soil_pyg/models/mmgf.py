from typing import Any

from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.base import Recommender
from soil_pyg.models.graphs import features, sparse_embeddings
from soil_pyg.models.mmgf_graphs import FILTER, MMGFGraphs
from soil_pyg.typing import Triplets


class MMGF(Recommender):
    r"""Polynomial graph filters on the interactions and on the features, without training, from the
    `"Training-free Adjustable Polynomial Graph Filtering for Ultra-fast Multimodal Recommendation"
    <https://arxiv.org/abs/2503.04406>`_ paper.

    .. math::
        \hat{\mathbf{Y}} = \mathbf{R} \Big( f(\bar{\mathbf{P}}) + w \sum_m f(\bar{\mathbf{P}}_m)
        \Big), \qquad f(\mathbf{P}) = \mathbf{P} + a_2 \mathbf{P}^2 + a_3 \mathbf{P}^3

    with :math:`\mathbf{R}` the interactions, :math:`\mathbf{P} = \tilde{\mathbf{R}}^{\top}
    \tilde{\mathbf{R}}`, :math:`\tilde{\mathbf{R}} = \mathbf{D}_U^{-\alpha} \mathbf{R}
    \mathbf{D}_I^{\alpha - 1}`, :math:`\mathbf{P}_m` the cosine of the features, and
    :math:`\bar{p}_{ij} = p_{ij}^s`. With :math:`w = 0` it is the filter of `"Turbo-CF: Matrix
    Decomposition-Free Graph Filtering for Fast Recommendation"
    <https://arxiv.org/abs/2404.14243>`_.

    Unlike in the papers, only the largest entries per row of each graph and of the filter are held,
    and similarities of features are cosines. There is nothing to train, and both tables of
    embeddings are sparse.

    Args:
        num_users, num_items, in_channels: See :class:`Recommender`.
    """

    multimodal = True

    @classmethod
    def graph_transform(cls, **options: Any) -> MMGFGraphs:
        """Returns :class:`~soil_pyg.models.mmgf_graphs.MMGFGraphs` with the given options."""
        return MMGFGraphs(**options)

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the interactions of the users and the rows of the filter, both sparse."""
        for modality, channels in self.in_channels.items():
            features(data, modality, channels, self.num_items)
        return sparse_embeddings(data, FILTER, (self.num_users, self.num_items))

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns no terms: there is nothing to train."""
        return {}
