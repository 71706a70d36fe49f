from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding, ModuleList
from torch_geometric.data import HeteroData
from torch_geometric.nn.inits import reset
from torch_geometric.nn.module_dict import ModuleDict
from torch_geometric.transforms import BaseTransform

from soil_pyg.models.embedding_recommender import EmbeddingRecommender
from soil_pyg.models.graphs import (
    UNWEIGHTED,
    MakeTransform,
    PairTensor,
    adjacency,
    unweighted_interactions,
    with_graphs,
)
from soil_pyg.models.loss_tables import LossTables, rank_halves
from soil_pyg.models.new_user_rows import edges_of_new_users
from soil_pyg.models.newcomers import NewUserEmbedder
from soil_pyg.nn import BPRLoss, FeatureProjection, MMGCNConv
from soil_pyg.nn.split_batch import mean_square
from soil_pyg.typing import USER, Triplets
from soil_pyg.utils.checks import check_at_least, check_choice, check_integer


class MMGCN(EmbeddingRecommender):
    r"""One graph network per modality, whose users have a preference of their own in each, from the
    `"MMGCN: Multi-modal Graph Convolution Network for Personalized Recommendation of Micro-video"
    <https://doi.org/10.1145/3343031.3351034>`_ paper.

    .. math::
        \mathbf{X}_m^{(0)} = \mathrm{norm}(\mathbf{P}_m \oplus \mathbf{X}_m), \qquad
        \mathbf{F} = \frac{1}{M} \sum_m \mathbf{X}_m^{(L)}, \qquad
        \hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i

    with :math:`\mathbf{P}_m` the preferences of the users and :math:`L` layers
    :class:`~soil_pyg.nn.MMGCNConv` over the interactions, which share the identity embeddings
    :math:`\mathbf{E}` of users and items among modalities. The first modality is mapped to
    :obj:`latent_channels` before. The regularisation is the mean square of :math:`\mathbf{E}` in
    the batch and of the first :math:`\mathbf{P}_m`.

    Args:
        num_users, num_items, in_channels: See :class:`EmbeddingRecommender`.
        hidden_channels (int, optional): The dimension of the identity embeddings and of the result.
            (default: :obj:`64`)
        latent_channels (int, optional): The dimension that the first modality is mapped to.
            (default: :obj:`256`)
        num_layers (int, optional): The number of layers :math:`L`. (default: :obj:`3`)
        preferences (str, optional): :obj:`"trained"` trains :math:`\mathbf{E}` and
            :math:`\mathbf{P}_m` as the paper does; with :obj:`"frozen"` they keep their random
            start, as in the released code. (default: :obj:`"trained"`)
        concat (bool, optional): See :class:`~soil_pyg.nn.MMGCNConv`. (default: :obj:`True`)
        reg (float, optional): The weight of the regularisation. (default: :obj:`1e-3`)
    """

    multimodal = True
    row_wise = True

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        latent_channels: int = 256,
        num_layers: int = 3,
        preferences: str = "trained",
        concat: bool = True,
        reg: float = 1e-3,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_integer("latent_channels", latent_channels, 1)
        check_integer("num_layers", num_layers, 1)
        check_choice("preferences", preferences, ("trained", "frozen"))
        check_at_least("reg", reg, 0)
        self.reg = reg
        first = next(iter(self.in_channels))
        self.compress = FeatureProjection(self.in_channels[first], latent_channels)
        sizes = self.in_channels | {first: latent_channels}
        self.preference = ModuleDict({m: Embedding(num_users, size) for m, size in sizes.items()})
        self.layers = ModuleDict(
            {
                m: ModuleList(
                    MMGCNConv(hidden_channels if layer else size, hidden_channels, concat)
                    for layer in range(num_layers)
                )
                for m, size in sizes.items()
            }
        )
        if preferences == "frozen":
            for module in (self.user_embedding, self.item_embedding, self.preference):
                module.requires_grad_(False)
        self.bpr_loss = BPRLoss()
        self.reset_parameters()

    @classmethod
    def graph_transform(cls) -> BaseTransform:
        """Returns the transform that builds the user-item graph without weights."""
        return unweighted_interactions()

    def reset_parameters(self) -> None:
        """Draws the tables and the first layer (Xavier normal) and the other maps again."""
        self.compress.reset_parameters()
        for table in (self.user_embedding, self.item_embedding, *self.preference.values()):
            torch.nn.init.xavier_normal_(table.weight)
        for layers in self.layers.values():
            reset(layers)
            torch.nn.init.xavier_normal_(layers[0].merge.weight)

    def node_parameters(self) -> dict[str, str]:
        """Returns the node types of the tables, those of the preferences included."""
        tables = {f"preference.{m}.weight": USER for m in self.in_channels}
        return super().node_parameters() | tables

    def states(self, data: HeteroData, modality: str) -> Iterator[PairTensor]:
        """Yields the features of users and of items in a modality, before and after each layer."""
        graph, (user_id, item_id) = adjacency(data, UNWEIGHTED), self.tables
        item = self.item_features(data, modality)
        if modality == next(iter(self.in_channels)):
            item = self.compress(item)
        x = F.normalize(self.preference[modality].weight), F.normalize(item)
        yield x
        for layer in self.layers[modality]:
            x = layer((x[1], x[0]), user_id, graph.t()), layer(x, item_id, graph)
            yield x

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items."""
        last = [list(self.states(data, modality))[-1] for modality in self.in_channels]
        user, item = (torch.stack(views).mean(dim=0) for views in zip(*last, strict=True))
        return user, item

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the final and the identity embeddings, and the regularised preferences."""
        user, item = zip(self(data), self.tables, strict=True)
        first = next(iter(self.preference.values())).weight
        terms = {"reg_preference": self.reg * first.square().mean()}
        return LossTables([F.embedding(users, table) for table in user], item, terms)

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss and the regularisation."""
        (user, user_id), (item, item_id) = tables.rows(batch)
        return {
            "bpr": rank_halves(self.bpr_loss, user, item),
            "reg": self.reg * (mean_square(user_id) + mean_square(item_id)),
            **tables.terms,
        }

    def new_user_embedder(
        self, data: HeteroData, make_transform: MakeTransform, item_emb: Tensor
    ) -> NewUserEmbedder:
        """Propagates the items of new users to them; their preferences and identities, which are
        unknown, are the means of all users.
        """
        data = with_graphs(data, UNWEIGHTED, make_transform)
        identity, sent = self.user_embedding.weight.mean(dim=0), []
        for modality, layers in self.layers.items():
            (user, item), *others = self.states(data, modality)
            items = [item, *(item for _, item in others)]
            sent.append((user.mean(dim=0), list(zip(layers, items, strict=False))))

        def embed(edge_index: Tensor, num_new_users: int) -> Tensor:
            edges = edges_of_new_users(edge_index, num_new_users, self.num_items)
            views = []
            for mean, layers in sent:
                view = mean.expand(num_new_users, -1)
                for layer, item in layers:
                    view = layer((item, view), identity.expand(num_new_users, -1), edges)
                views.append(view)
            return torch.stack(views).mean(dim=0)

        return embed
