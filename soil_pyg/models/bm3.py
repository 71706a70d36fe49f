from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Linear
from torch_geometric.data import HeteroData
from torch_geometric.nn.module_dict import ModuleDict
from torch_geometric.transforms import BaseTransform

from soil_pyg.models.feature_recommender import FeatureRecommender
from soil_pyg.models.graphs import PairTensor, adjacency, normalized_interactions
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.nn import FeatureProjection, LightPropagation, embedding_loss
from soil_pyg.nn.split_batch import dropout_batch, gather_batch
from soil_pyg.typing import INTERACTS, Triplets
from soil_pyg.utils.checks import check_at_least, check_share


class BM3(FeatureRecommender):
    r"""Learning without negative items, from the `"Bootstrap Latent Representations for Multi-modal
    Recommendation" <https://arxiv.org/abs/2207.05969>`_ paper.

    A linear predictor :math:`p` predicts the embedding of a partner. Its gradient is stopped and
    dropout disturbs it, written :math:`\tilde{\mathbf{h}}`. With :math:`\mathbf{h}` the propagated
    embeddings, plus the initial ones for items, and :math:`\mathbf{m}_i = \mathbf{W}_m
    \mathbf{x}_{m,i} + \mathbf{b}_m` of the trained features,

    .. math::
        \mathcal{L} &= d(\mathbf{h}_u, \mathbf{h}_i) + d(\mathbf{h}_i, \mathbf{h}_u) + c \sum_m
        \left[ d(\mathbf{m}_i, \mathbf{h}_i) + d(\mathbf{m}_i, \mathbf{m}_i) \right], \quad
        d(\mathbf{a}, \mathbf{b}) = 1 - \cos(p(\mathbf{a}), \tilde{\mathbf{b}})

        \hat{y}_{ui} &= p(\mathbf{h}_u)^{\top} p(\mathbf{h}_i)

    averaged over the batch, plus a regularisation of all embeddings.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers (int, optional): Layers on the user-item graph. (default: :obj:`1`)
        dropout (float, optional): The share of a partner's entries that is dropped in training.
            (default: :obj:`0.5`)
        cl_weight (float, optional): The weight :math:`c` of the modalities. (default: :obj:`2.0`)
        reg (float, optional): The weight of the regularisation. (default: :obj:`0.1`)
    """

    row_wise = True

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 1,
        dropout: float = 0.5,
        cl_weight: float = 2.0,
        reg: float = 0.1,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_share("dropout", dropout)
        check_at_least("cl_weight", cl_weight, 0)
        check_at_least("reg", reg, 0)
        self.dropout = dropout
        self.cl_weight = cl_weight
        self.reg = reg
        self.project = ModuleDict(
            {m: FeatureProjection(d, hidden_channels) for m, d in self.in_channels.items()}
        )
        self.predictor = Linear(hidden_channels, hidden_channels)
        self.propagation = LightPropagation(num_layers)
        self.reset_parameters()

    @classmethod
    def graph_transform(cls) -> BaseTransform:
        """Returns the transform that builds the normalised user-item graph."""
        return normalized_interactions()

    def reset_parameters(self) -> None:
        """Draws the embeddings and the linear maps (weights: Xavier normal, biases: PyTorch's
        default) again and resets the features.
        """
        super().reset_parameters()
        for linear in cast(list[Linear], [self.predictor, *self.project.values()]):
            linear.reset_parameters()
            torch.nn.init.xavier_normal_(linear.weight)

    def propagate(self, data: HeteroData) -> PairTensor:
        """Returns the embeddings of all users and items, without the predictor."""
        user, item = self.propagation(self.tables, adjacency(data, INTERACTS))
        return user, item + self.item_embedding.weight

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the embeddings of all users and items."""
        user, item = self.propagate(data)
        return self.predictor(user), self.predictor(item)

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the embeddings and the trained features, and the regularisation."""
        user, item = self.propagate(data)
        features = [self.trained_features(data, modality) for modality in self.in_channels]
        reg = {"reg": self.reg * embedding_loss(user, item)}
        return LossTables([F.embedding(users, user)], [item, *features], reg)

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the distances between users and items, modalities and their items, and modalities
        and themselves, and the regularisation; negative items play no part.
        """
        user = F.embedding(batch.user, tables.user[0])
        item, *features = [F.embedding(batch.positive, table) for table in tables.item]
        fixed_user, fixed_item = self._fixed(user), self._fixed(item)
        alignment = masking = user.new_zeros(())
        for modality, x in zip(self.in_channels, features, strict=True):
            x = self.project[modality](x)
            alignment = alignment + self._distance(x, fixed_item)
            masking = masking + self._distance(x, self._fixed(x))
        return {
            "reconstruction": self._distance(user, fixed_item) + self._distance(item, fixed_user),
            "alignment": self.cl_weight * alignment,
            "masking": self.cl_weight * masking,
            **tables.terms,
        }

    def _fixed(self, x: Tensor) -> Tensor:
        # Without stopped gradients, all embeddings would collapse into one.
        return dropout_batch(x.detach(), self.dropout, self.training)

    def _distance(self, x: Tensor, fixed: Tensor) -> Tensor:
        cosine = F.cosine_similarity(self.predictor(x), fixed, dim=-1)
        return 1 - gather_batch(cosine).mean()
