import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding, Linear, ModuleList
from torch_geometric.data import HeteroData
from torch_geometric.nn.module_dict import ModuleDict
from torch_geometric.transforms import BaseTransform

from soil_pyg.models.embedding_recommender import EmbeddingRecommender
from soil_pyg.models.graphs import PairTensor, adjacency, normalized_interactions
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.nn import FeatureProjection, InfoNCELoss, LightPropagation
from soil_pyg.nn.split_batch import count_batch, gather_batch, own_rows, sum_batch
from soil_pyg.typing import INTERACTS, Triplets
from soil_pyg.utils.checks import check_at_least, check_greater, check_integer


class SLMRec(EmbeddingRecommender):
    r"""Contrasts between users and items and between the modalities of an item, from the
    `"Self-Supervised Learning for Multimedia Recommendation"
    <https://doi.org/10.1109/TMM.2022.3187556>`_ paper.

    The user embeddings are propagated over the user-item graph with the item embeddings, and with
    the features of each modality after normalisation to unit length and projection:

    .. math::
        \mathbf{H}_m = \frac{1}{L + 1} \sum_{l=0}^{L} \mathbf{L}^l \left( \mathbf{E}_u \oplus
        (\bar{\mathbf{X}}_m \mathbf{W}_m + \mathbf{b}_m) \right), \qquad
        \mathbf{F} = [\mathbf{H}_{id} \,\|\, \mathbf{H}_1 \,\|\, \ldots \,\|\, \mathbf{H}_M]
        \mathbf{W} + \mathbf{b}, \qquad \hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i

    with separate :math:`\mathbf{W}, \mathbf{b}` for users and items. InfoNCE contrasts the
    users of a batch with their positive items. The fine and coarse task (FAC) maps these items
    through a chain of linear maps :math:`\mathbf{z}_n = h_n(\mathbf{z}_{n-1})` from
    :math:`\mathbf{z}_0 = \mathbf{h}_{id}` on; after each map, a contrast matches every item with
    its own modality :math:`m` among the items of the batch:

    .. math::
        \mathcal{L}_{m} = - \frac{1}{B} \sum_{b=1}^{B} \log \frac{\exp(\mathbf{z}_{n,b}^{\top}
        g_m(\mathbf{h}_{m,b}) / \tau_s)}{\sum_{b^{\prime}=1}^{B} \exp(\mathbf{z}_{n,b}^{\top}
        g_m(\mathbf{h}_{m,b^{\prime}}) / \tau_s)}

    The modalities are in the order of :obj:`in_channels`, the visual one first; the textual one is
    last and is compared in half as many channels. With three or more, there is one map per
    modality; with two, a map without a contrast lies between theirs; with one, the single map keeps
    all channels.

    Args:
        num_users, num_items, in_channels: See :class:`EmbeddingRecommender`.
        hidden_channels (int, optional): The dimension of the embeddings, at least 2.
            (default: :obj:`64`)
        num_layers (int, optional): The number of layers :math:`L`. (default: :obj:`3`)
        tau (float, optional): The temperature of the contrast of users and items.
            (default: :obj:`0.2`)
        alpha (float, optional): The weight of the fine and coarse task. (default: :obj:`0.05`)
        ssl_tau (float, optional): The temperature :math:`\tau_s` of that task.
            (default: :obj:`0.5`)
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
        num_layers: int = 3,
        tau: float = 0.2,
        alpha: float = 0.05,
        ssl_tau: float = 0.5,
    ) -> None:
        check_integer("hidden_channels", hidden_channels, 2)
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_greater("ssl_tau", ssl_tau, 0)
        check_at_least("alpha", alpha, 0)
        self.alpha = alpha
        self.ssl_tau = ssl_tau
        channels, sizes = hidden_channels, self.in_channels
        self.projections = ModuleDict({m: FeatureProjection(d, channels) for m, d in sizes.items()})
        self.user_fusion = Linear((len(sizes) + 1) * channels, channels)
        self.item_fusion = Linear((len(sizes) + 1) * channels, channels)
        self.compared: list[str | None] = list(sizes)
        if len(sizes) == 2:
            self.compared.insert(1, None)
        out_channels = [channels] * len(self.compared)
        if len(sizes) > 1:
            out_channels[-1] = channels // 2
        steps = list(zip(self.compared, out_channels, strict=True))
        self.chain = ModuleList([Linear(channels, size) for _, size in steps])
        self.heads = ModuleDict({m: Linear(channels, size) for m, size in steps if m is not None})
        self.propagation = LightPropagation(num_layers)
        self.contrast = InfoNCELoss(tau)
        self.reset_parameters()

    @classmethod
    def graph_transform(cls) -> BaseTransform:
        """Returns the transform that builds the normalised user-item graph."""
        return normalized_interactions()

    def reset_parameters(self) -> None:
        """Draws the weights (Xavier uniform) and the biases (PyTorch's default) again."""
        for module in self.modules():
            if isinstance(module, Linear | Embedding):
                module.reset_parameters()
                torch.nn.init.xavier_uniform_(module.weight)

    def propagate(self, data: HeteroData) -> PairTensor:
        """Returns the propagated embeddings of users and of items: those of the item embeddings
        and of each modality side by side.
        """
        items = [self.item_embedding.weight]
        for modality in self.in_channels:
            items.append(
                self.projections[modality](F.normalize(self.item_features(data, modality)))
            )
        users = self.user_embedding.weight.repeat(1, len(items))
        x = users, torch.cat(items, dim=-1)
        user, item = self.propagation(x, adjacency(data, INTERACTS))
        return user, item

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items."""
        user, item = self.propagate(data)
        return self.user_fusion(user), self.item_fusion(item)

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the propagated embeddings."""
        user, item = self.propagate(data)
        return LossTables([F.embedding(users, user)], [item])

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the two contrasts; negative items play no part."""
        user = F.embedding(batch.user, tables.user[0])
        item = F.embedding(batch.positive, tables.item[0])
        return {
            "contrast": self.contrast(self.user_fusion(user), self.item_fusion(item)),
            "fac": self.alpha * self._fine_and_coarse(item),
        }

    def _fine_and_coarse(self, item: Tensor) -> Tensor:
        query, *views = item.chunk(len(self.in_channels) + 1, dim=-1)
        view_of = dict(zip(self.in_channels, views, strict=True))
        own = own_rows(item)
        target = torch.arange(own.start, own.stop, device=item.device)
        total = item.new_zeros(())
        for step, modality in zip(self.chain, self.compared, strict=True):
            query = step(query)
            if modality is not None:
                candidate = gather_batch(self.heads[modality](view_of[modality]))
                logits = query @ candidate.t() / self.ssl_tau
                loss = F.cross_entropy(logits, target, reduction="sum")
                total = total + sum_batch(loss) / count_batch(item)
        return total
