import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.data import HeteroData
from torch_geometric.nn.parameter_dict import ParameterDict
from torch_geometric.transforms import BaseTransform, Compose

from soil_pyg.models.batch_nodes import distinct
from soil_pyg.models.embedding_recommender import EmbeddingRecommender
from soil_pyg.models.graphs import (
    UNWEIGHTED,
    PairTensor,
    adjacency,
    normalized_interactions,
    unweighted_interactions,
)
from soil_pyg.nn import BipartiteConv, BPRLoss, InfoNCELoss, LightPropagation, embedding_loss
from soil_pyg.nn.feature_projection import project
from soil_pyg.typing import INTERACTS, Triplets
from soil_pyg.utils.checks import (
    check_at_least,
    check_between,
    check_flag,
    check_greater,
    check_integer,
)


class LGMRec(EmbeddingRecommender):
    r"""Local graphs and global hypergraphs, from the `"LGMRec: Local and Global Graph Learning for
    Multimodal Recommendation" <https://arxiv.org/abs/2312.16400>`_ paper.

    The collaborative embedding :math:`\mathbf{C}` comes from the user-item graph :math:`\mathbf{L}`
    alone. The projected features of each modality are propagated over the same graph; users start
    with the mean of their items. Hyperedges carry :math:`\mathbf{C}` between items and users that
    share no interaction. The features assign items to them and, over the interactions
    :math:`\mathbf{R}`, users:

    .. math::
        \mathbf{M}_m &= \mathrm{norm} \left( \mathbf{L}^{N} \left( \mathbf{D}^{-1} \mathbf{R}
        \mathbf{X}_m \mathbf{W}_m \oplus \mathbf{X}_m \mathbf{W}_m \right) \right)

        \mathbf{H}_{i,m} &= \mathrm{softmax}(\mathbf{X}_m \mathbf{V}_m / \tau), \qquad
        \mathbf{H}_{u,m} = \mathrm{softmax}(\mathbf{R} \mathbf{X}_m \mathbf{V}_m / \tau)

        \mathbf{G}_m &= \mathbf{H}_{u,m} \mathbf{H}_{i,m}^{\top} \mathbf{C}_i \oplus
        \mathbf{H}_{i,m} \mathbf{H}_{i,m}^{\top} \mathbf{C}_i

        \mathbf{F} &= \mathbf{C} + \sum_m \mathbf{M}_m + \alpha \, \mathrm{norm} \Big( \sum_m
        \mathbf{G}_m \Big), \qquad \hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i

    In training, the assignments get Gumbel noise and dropout. A contrast matches each user of the
    batch by :math:`\mathbf{G}` of the first modality with itself among all users by
    :math:`\mathbf{G}` of each other modality, and likewise for the positive items; it needs at
    least two modalities.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers (int, optional): Layers on the user-item graph. (default: :obj:`2`)
        num_modality_layers (int, optional): Layers :math:`N` of the projected features.
            (default: :obj:`2`)
        num_hyper_layers (int, optional): Layers on the hypergraphs, at least 1.
            (default: :obj:`1`)
        num_hyperedges (int, optional): Hyperedges per modality. (default: :obj:`4`)
        keep_rate (float, optional): The share of the assignments that dropout keeps in training.
            (default: :obj:`0.5`)
        alpha (float, optional): The weight :math:`\alpha` of the hypergraphs. (default: :obj:`0.3`)
        tau (float, optional): The temperature :math:`\tau` of the assignments and of the contrast.
            (default: :obj:`0.2`)
        cl_weight (float, optional): The weight of the contrast. (default: :obj:`1e-4`)
        reg (float, optional): The weight of the regularisation of the batch's final embeddings.
            (default: :obj:`1e-6`)
        noise (bool, optional): Whether Gumbel noise is added in training. (default: :obj:`True`)
    """

    multimodal = True

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 2,
        num_modality_layers: int = 2,
        num_hyper_layers: int = 1,
        num_hyperedges: int = 4,
        keep_rate: float = 0.5,
        alpha: float = 0.3,
        tau: float = 0.2,
        cl_weight: float = 1e-4,
        reg: float = 1e-6,
        noise: bool = True,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_integer("num_modality_layers", num_modality_layers, 0)
        check_integer("num_hyper_layers", num_hyper_layers, 1)
        check_integer("num_hyperedges", num_hyperedges, 1)
        check_greater("keep_rate", keep_rate, 0)
        check_between("keep_rate", keep_rate, 0, 1)
        check_at_least("alpha", alpha, 0)
        check_at_least("cl_weight", cl_weight, 0)
        check_at_least("reg", reg, 0)
        check_flag("noise", noise)
        self.num_modality_layers = num_modality_layers
        self.num_hyper_layers = num_hyper_layers
        self.keep_rate = keep_rate
        self.alpha = alpha
        self.tau = tau
        self.cl_weight = cl_weight
        self.reg = reg
        self.noise = noise
        self.projections = _weights(self.in_channels, hidden_channels)
        self.hyperedges = _weights(self.in_channels, num_hyperedges)
        self.propagation = LightPropagation(num_layers)
        self.conv = BipartiteConv()
        self.bpr_loss = BPRLoss()
        self.contrast = InfoNCELoss(tau, reduction="sum")
        self.reset_parameters()

    @classmethod
    def graph_transform(cls) -> BaseTransform:
        """Returns the transform that builds the user-item graph, normalised and unweighted."""
        return Compose([unweighted_interactions(), normalized_interactions()])

    def reset_parameters(self) -> None:
        """Draws the parameters again (Xavier uniform)."""
        super().reset_parameters()
        for weights in (self.projections, self.hyperedges):
            for modality in self.in_channels:
                torch.nn.init.xavier_uniform_(weights[_key(modality)])

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items."""
        return self.embed(data)[0]

    def embed(self, data: HeteroData, disturb: bool = False) -> tuple[PairTensor, list[PairTensor]]:
        """Returns the final embeddings of users and of items, and one pair of hypergraph embeddings
        per modality; :obj:`disturb` applies noise and dropout to the assignments.
        """
        user, item = self.propagation(self.tables, adjacency(data, INTERACTS))
        hyper = [self._hypergraph(data, m, item, disturb) for m in self.in_channels]
        for modality in self.in_channels:
            local_user, local_item = self._local(data, modality)
            user, item = user + local_user, item + local_item
        global_user, global_item = (
            F.normalize(sum(x[1:], start=x[0])) for x in zip(*hyper, strict=True)
        )
        return (user + self.alpha * global_user, item + self.alpha * global_item), hyper

    def _local(self, data: HeteroData, modality: str) -> PairTensor:
        item = project(self.item_features(data, modality), self.projections[_key(modality)].t())
        interactions = adjacency(data, UNWEIGHTED).t()
        count = interactions @ item.new_ones(item.size(0), 1)
        # As released, for users without interactions.
        x = interactions @ item / (count + 1e-7), item
        for _ in range(self.num_modality_layers):
            x = self.conv(x, adjacency(data, INTERACTS))
        return F.normalize(x[0]), F.normalize(x[1])

    def _hypergraph(
        self, data: HeteroData, modality: str, item: Tensor, disturb: bool
    ) -> PairTensor:
        logits = project(self.item_features(data, modality), self.hyperedges[_key(modality)].t())
        of_item = self._assign(logits, disturb).to(item.dtype)
        of_user = self._assign(adjacency(data, UNWEIGHTED).t() @ logits, disturb).to(item.dtype)
        for _ in range(self.num_hyper_layers):
            edge = of_item.t() @ item
            item = of_item @ edge
        return of_user @ edge, item

    def _assign(self, logits: Tensor, disturb: bool) -> Tensor:
        # Noise of a lower precision may be infinite.
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        noisy = disturb and self.noise
        share = F.gumbel_softmax(logits, self.tau) if noisy else (logits / self.tau).softmax(dim=-1)
        return F.dropout(share, 1 - self.keep_rate, disturb)

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss, the regularisation and, for several modalities, a contrast."""
        (user, item), hyper = self.embed(data, disturb=self.training)
        query = F.embedding(batch.user, user)
        positive, negative = (F.embedding(x, item) for x in (batch.positive, batch.negative))
        terms = {
            "bpr": self.bpr_loss((query * positive).sum(-1), (query * negative).sum(-1)),
            "reg": self.reg * embedding_loss(query, positive, negative),
        }
        if len(hyper) > 1:
            hyper_user, hyper_item = zip(*hyper, strict=True)
            contrast = self._contrast(batch.user, *hyper_user)
            contrast = contrast + self._contrast(batch.positive, *hyper_item)
            terms["contrast"] = self.cl_weight * contrast
        return terms

    def _contrast(self, index: Tensor, query: Tensor, *candidates: Tensor) -> Tensor:
        # A node that occurs several times in the batch is contrasted once.
        nodes, row = distinct(index)
        pairs, once = torch.stack([row, index]), query.new_ones(query.size(0))
        query = F.embedding(nodes, query)
        losses = [self.contrast(query, candidate, pairs, once) for candidate in candidates]
        return torch.stack(losses).sum()


def _weights(in_channels: dict[str, int], out_channels: int) -> ParameterDict:
    sizes = {_key(m): (size, out_channels) for m, size in in_channels.items()}
    return ParameterDict({key: Parameter(torch.empty(size)) for key, size in sizes.items()})


def _key(modality: str) -> str:
    # No attribute of a dictionary of parameters, as "training" is, has such a name.
    return f"{modality}_weight"
