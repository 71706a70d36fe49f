import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding
from torch_geometric.data import HeteroData
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
from soil_pyg.nn import BPRLoss, FeatureProjection, NeighbourAttention
from soil_pyg.nn.split_batch import mean_square
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.edge_products import edge_sum
from soil_pyg.typing import ITEM, USER, Triplets
from soil_pyg.utils.checks import check_at_least, check_choice, check_flag, check_integer


class GRCN(EmbeddingRecommender):
    r"""A user-item graph whose edges are weighted by the features, from the `"Graph-Refined
    Convolutional Network for Multimedia Recommendation with Implicit Feedback"
    <https://doi.org/10.1145/3394171.3413556>`_ paper.

    The attention :math:`a_m` of each modality (:class:`~soil_pyg.nn.NeighbourAttention`) compares
    the preferences of users with the mapped features of items. The confidence of the sender tells
    which modality counts, and edges without a positive weight are pruned:

    .. math::
        \mathbf{x}_m &= \mathrm{norm}(\mathbf{P}_m) \oplus \mathrm{norm}(\phi(\mathbf{W}_m
        \mathbf{X}_m + \mathbf{b}_m)), \qquad
        \mathbf{c}_{m,i} = \mathbf{x}_{m,i} + \sum_j a_m(j, i) \, \mathbf{x}_{m,j}

        w(j, i) &= \max \big( 0, \, \max_m a_m(j, i) \, s_{j,m} \big), \qquad
        \mathbf{F} = \Big[ \sum_{l=0}^{2} \mathbf{W}^l \, \mathrm{norm}(\mathbf{E}) \, \Vert \,
        \mathbf{C}_1 \, \Vert \cdots \Vert \, \mathbf{C}_M \Big]

    with :math:`\phi` the leaky ReLU and :math:`\hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i`.
    The regularisation is the mean square of :math:`\mathbf{E}` and :math:`\mathbf{P}_m` in the
    batch.

    Args:
        num_users, num_items, in_channels: See :class:`EmbeddingRecommender`.
        hidden_channels (int, optional): The dimension of :math:`\mathbf{E}`. (default: :obj:`64`)
        latent_channels (int, optional): The dimension of :math:`\mathbf{P}_m`. (default: :obj:`64`)
        routing (str, optional): With :obj:`"users"`, the preferences of users are routed before:
            :math:`\mathbf{p}_u \leftarrow \mathrm{norm}(\mathbf{p}_u + \sum_i a_m(i, u) \,
            \mathbf{x}_{m,i})`, as in the paper. The released code, whose rounds send to items only
            and so change nothing, is :obj:`"none"`. (default: :obj:`"users"`)
        num_routings (int, optional): The number of rounds. (default: :obj:`3`)
        extra_regulariser (bool, optional): Whether the first preferences of all users are
            regularised as well, as in MMRec but not in the authors' code. (default: :obj:`False`)
        reg (float, optional): The weight of the regularisation. (default: :obj:`1e-3`)
    """

    multimodal = True

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        latent_channels: int = 64,
        routing: str = "users",
        num_routings: int = 3,
        extra_regulariser: bool = False,
        reg: float = 1e-3,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_integer("latent_channels", latent_channels, 1)
        check_choice("routing", routing, ("users", "none"))
        check_integer("num_routings", num_routings, 0)
        check_flag("extra_regulariser", extra_regulariser)
        check_at_least("reg", reg, 0)
        self.num_routings = num_routings if routing == "users" else 0
        self.extra_regulariser = extra_regulariser
        self.reg = reg
        sizes, channels = self.in_channels, latent_channels
        self.preference = ModuleDict({m: Embedding(num_users, channels) for m in sizes})
        self.projections = ModuleDict({m: FeatureProjection(d, channels) for m, d in sizes.items()})
        self.user_confidence = Embedding(num_users, len(sizes))
        self.item_confidence = Embedding(num_items, len(sizes))
        self.attention = NeighbourAttention()
        self.bpr_loss = BPRLoss()
        self.reset_parameters()

    @classmethod
    def graph_transform(cls) -> BaseTransform:
        """Returns the transform that builds the user-item graph without weights."""
        return unweighted_interactions()

    def reset_parameters(self) -> None:
        """Draws all weights (Xavier normal) and the biases (PyTorch's default) again."""
        for module in self.modules():
            if isinstance(module, Embedding | FeatureProjection):
                module.reset_parameters()
                torch.nn.init.xavier_normal_(module.weight)

    def node_parameters(self) -> dict[str, str]:
        """Returns the node types of the tables, preferences and confidences included."""
        tables = {f"preference.{m}.weight": USER for m in self.in_channels}
        tables |= {"user_confidence.weight": USER, "item_confidence.weight": ITEM}
        return super().node_parameters() | tables

    def map_features(self, data: HeteroData) -> dict[str, Tensor]:
        """Returns the mapped features of the items by modality."""
        return {
            m: F.normalize(F.leaky_relu(project(self.item_features(data, m))))
            for m, project in self.projections.items()
        }

    def route(self, preference: Tensor, item: Tensor, edges: Adjacency) -> tuple[Tensor, Tensor]:
        """Returns the routed preferences of users and their attention to items."""
        user = F.normalize(preference)
        for _ in range(self.num_routings):
            attention = self.attention((item, user), edges)
            user = F.normalize(user + edge_sum(item, attention, edges))
        return user, self.attention((item, user), edges)

    def propagate(self, data: HeteroData) -> tuple[PairTensor, list[Tensor]]:
        """Returns the final embeddings of users and of items, and the identities of items before
        each layer.
        """
        graph = adjacency(data, UNWEIGHTED)
        user_views, item_views, to_users, to_items = [], [], [], []
        for modality, item in self.map_features(data).items():
            user, to_user = self.route(self.preference[modality].weight, item, graph.t())
            to_item = self.attention((user, item), graph)
            user_views.append(user + edge_sum(item, to_user, graph.t()))
            item_views.append(item + edge_sum(user, to_item, graph))
            to_users.append(to_user)
            to_items.append(to_item)
        to_user = _refine(graph.t(), to_users, self.item_confidence.weight)
        to_item = _refine(graph, to_items, self.user_confidence.weight)
        users, items = ([F.normalize(table)] for table in self.tables)
        for _ in range(2):
            user, item = users[-1], items[-1]
            users.append(edge_sum(item, to_user, graph.t()))
            items.append(edge_sum(user, to_item, graph))
        user, item = (torch.stack(layers).sum(dim=0) for layers in (users, items))
        final = torch.cat([user, *user_views], dim=-1), torch.cat([item, *item_views], dim=-1)
        return final, items[:-1]

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items."""
        return self.propagate(data)[0]

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the final embeddings, the identities and the preferences."""
        user, item = self(data)
        preferences = [table.weight for table in self.preference.values()]
        rows = [F.embedding(users, x) for x in (user, self.user_embedding.weight, *preferences)]
        first = self.reg * preferences[0].square().mean()
        terms = {"reg_preference": first} if self.extra_regulariser else {}
        return LossTables(rows, [item, self.item_embedding.weight], terms)

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss and the regularisation."""
        (user, *initial), (item, item_id) = tables.rows(batch)
        squares = [mean_square(x) for x in (item_id, *initial)]
        return {
            "bpr": rank_halves(self.bpr_loss, user, item),
            "reg": self.reg * torch.stack(squares).sum(),
            **tables.terms,
        }

    def new_user_embedder(
        self, data: HeteroData, make_transform: MakeTransform, item_emb: Tensor
    ) -> NewUserEmbedder:
        """Routes the items of new users to them, whose own tables, which are unknown, are zero."""
        data = with_graphs(data, UNWEIGHTED, make_transform)
        items, identities = self.map_features(data).values(), self.propagate(data)[1]

        def embed(edge_index: Tensor, num_new_users: int) -> Tensor:
            edges = edges_of_new_users(edge_index, num_new_users, self.num_items)
            zeros = [item.new_zeros(num_new_users, item.size(1)) for item in items]
            routed = [self.route(*pair, edges) for pair in zip(zeros, items, strict=True)]
            views = [u + edge_sum(x, a, edges) for x, (u, a) in zip(items, routed, strict=True)]
            weight = _refine(edges, [a for _, a in routed], self.item_confidence.weight)
            identity = [edge_sum(item, weight, edges) for item in identities]
            return torch.cat([torch.stack(identity).sum(dim=0), *views], dim=-1)

        return embed


def _refine(graph: Adjacency, attentions: list[Tensor], confidence: Tensor) -> Tensor:
    # The weights of the edges by the modality that counts most for the sender.
    strength = torch.stack(attentions, dim=-1) * F.embedding(graph.col.long(), confidence)
    return strength.max(dim=-1).values.relu()
