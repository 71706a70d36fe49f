from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding
from torch_geometric.data import HeteroData
from torch_geometric.nn.module_dict import ModuleDict
from torch_geometric.typing import PairTensor

from soil_pyg.models.base import Recommender
from soil_pyg.models.graphs import adjacency, distinct, features, propagate_to
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, SOILGraphs, item_item
from soil_pyg.nn import (
    AlignedPairsLoss,
    AttentionFusion,
    BPRLoss,
    InfoNCELoss,
    LightConv,
    LightPropagation,
    ModalityGate,
)
from soil_pyg.typing import Triplets
from soil_pyg.utils.checks import check_at_least, check_choice

RELEASED: dict[str, Any] = {
    "aggr": "sum",
    "exclude_interacted": False,
    "second_order_scale": 0.5,
    "aggregation": "sym_user_index",
    "weight_by_users": True,
    "min_weight": 1e-7,
    "sigmoid_gate": True,
    "divide_fusion": True,
    "contrast": "info_nce",
    "bpr_reduction": "mean",
}


class SOIL(Recommender):
    r"""Second-order interest learning, from the `"SOIL: Contrastive Second-Order Interest Learning
    for Multimodal Recommendation" <https://doi.org/10.1145/3664647.3681207>`_ paper.

    The content embedding comes from the user-item graph with the items that users nearly chose
    (Eq. 2-5), one view a modality from the item-item graphs that users' interests shape
    (Eq. 6-13); their attentive fusion (Eq. 14) is added to it and aligned with it by contrast
    (Eq. 15-16).

    .. math::
        \mathbf{F} = \mathbf{E} + \sum_m (1 - \alpha_m) \mathbf{V}_m, \qquad
        \hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i

    The defaults follow the paper. :meth:`released` reproduces the released code instead; each
    difference is one option. :meth:`best` has the options that did best on validation data.

    Args:
        num_users (int): Number of users.
        num_items (int): Number of items.
        in_channels (dict[str, int]): The feature dimension of each modality, by its name.
        hidden_channels (int, optional): The dimension of the embeddings. (default: :obj:`64`)
        num_layers (int, optional): The number of layers on the user-item graph.
            (default: :obj:`2`)
        num_item_layers (int, optional): The number of layers on the item-item graphs.
            (default: :obj:`1`)
        l_ui (float, optional): The weight of the user-item contrast (Eq. 15).
            (default: :obj:`0.01`)
        l_ii (float, optional): The weight of the item-item contrast (Eq. 16).
            (default: :obj:`0.01`)
        tau (float, optional): The temperature of the contrasts. (default: :obj:`0.2`)
        sigmoid_gate (bool, optional): Whether the features pass a second linear map and a sigmoid
            (Eq. 11; released: :obj:`True`). (default: :obj:`False`)
        divide_fusion (bool, optional): Whether the fusion is divided by the number of modalities
            plus one (Eq. 14; released: :obj:`True`). (default: :obj:`False`)
        contrast (str, optional): :obj:`"aligned_pairs"` (Eq. 15-16) or :obj:`"info_nce"`
            (released). (default: :obj:`"aligned_pairs"`)
        bpr_reduction (str, optional): :obj:`"sum"` (Eq. 17) or :obj:`"mean"` (released) over the
            batch. (default: :obj:`"sum"`)

    Raises:
        ValueError: If there is no modality, or an option is out of its range.

    Example:
        >>> data = HeteroData()
        >>> data["user"].num_nodes, data["item"].num_nodes = 2, 3
        >>> data["item"].x_image, data["item"].x_text = torch.rand(3, 4), torch.rand(3, 6)
        >>> data["user", "interacts", "item"].edge_index = torch.tensor([[0, 0, 1], [0, 1, 2]])
        >>> data = SOIL.graph_transform(k=2, k_i=1, k_a=1)(data)
        >>> model = SOIL(num_users=2, num_items=3, in_channels={"image": 4, "text": 6})
        >>> user_emb, item_emb = model(data)
        >>> (user_emb @ item_emb.t()).size()
        torch.Size([2, 3])
    """

    multimodal = True
    profiles: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {
            "aggr": "max",
            "exclude_interacted": True,
            "second_order_scale": 1.0,
            "aggregation": "sum",
            "weight_by_users": False,
            "min_weight": 0.0,
            "sigmoid_gate": False,
            "divide_fusion": False,
            "contrast": "aligned_pairs",
            "bpr_reduction": "sum",
        },
        "released": RELEASED,
        "best": {**RELEASED, "l_ii": 0.001},
    }

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 2,
        num_item_layers: int = 1,
        l_ui: float = 0.01,
        l_ii: float = 0.01,
        tau: float = 0.2,
        sigmoid_gate: bool = False,
        divide_fusion: bool = False,
        contrast: str = "aligned_pairs",
        bpr_reduction: str = "sum",
    ) -> None:
        super().__init__(num_users, num_items, in_channels)
        check_at_least("hidden_channels", hidden_channels, 1)
        check_at_least("num_item_layers", num_item_layers, 0)
        check_choice("contrast", contrast, ("aligned_pairs", "info_nce"))
        check_choice("bpr_reduction", bpr_reduction, ("sum", "mean"))
        self.l_ui = l_ui
        self.l_ii = l_ii
        self.num_item_layers = num_item_layers
        self.user_embedding = Embedding(num_users, hidden_channels)
        self.item_embedding = Embedding(num_items, hidden_channels)
        self.gates = ModuleDict(
            {m: ModalityGate(d, hidden_channels, sigmoid_gate) for m, d in self.in_channels.items()}
        )
        self.propagation = LightPropagation(num_layers)
        self.conv = LightConv()
        self.fusion = AttentionFusion(hidden_channels, divide_fusion)
        self.bpr_loss = BPRLoss(bpr_reduction)
        self.contrast = AlignedPairsLoss(tau) if contrast == "aligned_pairs" else InfoNCELoss(tau)
        self.reset_parameters()

    @classmethod
    def paper(cls, *args: Any, **kwargs: Any) -> "SOIL":
        """Makes the model of the paper; arguments as for the class."""
        return cls.from_profile("paper", *args, **kwargs)

    @classmethod
    def released(cls, *args: Any, **kwargs: Any) -> "SOIL":
        """Makes the model of the released code; arguments as for the class."""
        return cls.from_profile("released", *args, **kwargs)

    @classmethod
    def best(cls, *args: Any, **kwargs: Any) -> "SOIL":
        """Makes the model with the options that did best on validation; arguments as for the
        class.
        """
        return cls.from_profile("best", *args, **kwargs)

    @classmethod
    def graph_transform(cls, profile: str = "paper", **options: Any) -> SOILGraphs:
        """Returns the transform that makes the user-item and the item-item graphs.

        Args:
            profile (str, optional): The profile whose options are the defaults.
                (default: :obj:`"paper"`)
            **options (optional): The options of :class:`~soil_pyg.models.soil_graphs.SOILGraphs`.
        """
        return SOILGraphs(**{**cls.profile_options(profile, SOILGraphs), **options})

    def reset_parameters(self) -> None:
        """Draws the parameters anew: embeddings Xavier uniform, the rest as PyTorch does."""
        torch.nn.init.xavier_uniform_(self.user_embedding.weight)
        torch.nn.init.xavier_uniform_(self.item_embedding.weight)
        for gate in self.gates.values():
            cast(ModalityGate, gate).reset_parameters()
        self.fusion.reset_parameters()

    def propagate(
        self, data: HeteroData, users: Tensor | None = None
    ) -> tuple[PairTensor, list[Tensor], list[Tensor]]:
        r"""Returns the content embeddings of users and of items, and the views of users and of
        items, one a modality.

        Args:
            data (HeteroData): The data with the graphs of :meth:`graph_transform`.
            users (Tensor, optional): The users whose views are returned.
                (default: :obj:`None`, all)
        """
        user, item = self.user_embedding.weight, self.item_embedding.weight
        content = self.propagation((user, item), adjacency(data, USER_ITEM))
        item_views = []
        for modality in self.in_channels:
            view = self.gates[modality](features(data, modality), item)
            for _ in range(self.num_item_layers):
                view = self.conv(view, adjacency(data, item_item(modality)))
            item_views.append(view)
        aggregation = adjacency(data, AGGREGATION).t()
        user_views = propagate_to(users, self.conv, item_views, aggregation)
        return content, user_views, item_views

    def views(self, data: HeteroData) -> dict[str, PairTensor]:
        r"""Returns the content and the side embeddings, each of users and of items.

        Args:
            data (HeteroData): The data with the graphs of :meth:`graph_transform`.
        """
        content, user_views, item_views = self.propagate(data)
        return {"content": content, "side": (self.fusion(user_views), self.fusion(item_views))}

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items.

        Args:
            data (HeteroData): The data with the graphs of :meth:`graph_transform`.
        """
        (user, item), (user_side, item_side) = self.views(data).values()
        return user + user_side, item + item_side

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        """Returns the terms of the loss (Eq. 15-18).

        Args:
            data (HeteroData): The data with the graphs of :meth:`graph_transform`.
            batch (Triplets): The batch.
        """
        # Only nodes of the batch are fused and contrasted, each once.
        users, user_row = distinct(batch.user)
        items, item_row = distinct(batch.positive)
        (user, item), user_views, item_views = self.propagate(data, users)
        content_u, side_u = F.embedding(users, user), self.fusion(user_views)
        chosen, sizes = torch.cat([items, batch.negative]), [len(items), len(batch.negative)]
        content = F.embedding(chosen, item)
        side = self.fusion([F.embedding(chosen, view) for view in item_views])
        (content_i, content_j), (side_i, side_j) = content.split(sizes), side.split(sizes)
        final_u, final_i, final_j = content_u + side_u, content_i + side_i, content_j + side_j
        query, positive = F.embedding(user_row, final_u), F.embedding(item_row, final_i)
        bpr = self.bpr_loss((query * positive).sum(-1), (query * final_j).sum(-1))
        final_u, content_u, side_u, content_i, side_i = map(
            self.contrast.normalize, (final_u, content_u, side_u, content_i, side_i)
        )
        contrast, pairs = self.contrast.compare, torch.stack([user_row, item_row])
        same_i, same_u = item_row.expand(2, -1), user_row.expand(2, -1)
        user_item = contrast(final_u, content_i, pairs) + contrast(final_u, side_i, pairs)
        item_item = contrast(side_i, content_i, same_i) + contrast(side_u, content_u, same_u)
        return {"bpr": bpr, "user_item": self.l_ui * user_item, "item_item": self.l_ii * item_item}
