from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.nn.inits import reset
from torch_geometric.nn.module_dict import ModuleDict

from soil_pyg.models import soil_newcomers
from soil_pyg.models.batch_nodes import propagate_to
from soil_pyg.models.decompose import Decomposition, FirstHops, attention
from soil_pyg.models.graphs import MakeTransform, PairTensor, adjacency, with_graphs
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, SOILGraphs, item_item
from soil_pyg.models.view_recommender import ViewRecommender
from soil_pyg.nn import (
    AlignedPairsLoss,
    AttentionFusion,
    BPRLoss,
    InfoNCELoss,
    LightConv,
    LightPropagation,
    ModalityGate,
)
from soil_pyg.typing import SECOND_ORDER, Triplets
from soil_pyg.utils.checks import check_at_least, check_choice, check_flag, check_integer

PAPER_AND_RELEASED: dict[str, tuple[Any, Any]] = {
    "aggr": ("max", "sum"),
    "exclude_interacted": (True, False),
    "second_order_scale": (1.0, 0.5),
    "aggregation": ("sum", "sym_user_index"),
    "weight_by_users": (False, True),
    "min_weight": (0.0, 1e-7),
    "sigmoid_gate": (False, True),
    "divide_fusion": (False, True),
    "contrast": ("aligned_pairs", "info_nce"),
    "bpr_reduction": ("sum", "mean"),
}
"""The options in which the paper and the released code differ."""
RELEASED = {name: released for name, (_, released) in PAPER_AND_RELEASED.items()}


class SOIL(ViewRecommender):
    r"""Second-order interest learning, from the `"SOIL: Contrastive Second-Order Interest Learning
    for Multimodal Recommendation" <https://doi.org/10.1145/3664647.3681207>`_ paper.

    The content embedding comes from the user-item graph with second-order items (Eq. 2-5), one
    view per modality from the item-item graphs that the interests of users shape (Eq. 6-13). The
    attentive fusion of the views (Eq. 14) is added to the content embedding and aligned with it by
    contrast (Eq. 15-16).

    .. math::
        \mathbf{F} = \mathbf{E} + \sum_m (1 - \alpha_m) \mathbf{V}_m, \qquad
        \hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i

    The defaults follow the paper. :meth:`released` reproduces the released code instead; each
    difference is one option. :meth:`best` has the options with the best validation results on
    :obj:`tiktok`.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers (int, optional): Layers on the user-item graph. (default: :obj:`2`)
        num_item_layers (int, optional): Layers on the item-item graphs. (default: :obj:`1`)
        l_ui (float, optional): Weight of the user-item contrast (Eq. 15). (default: :obj:`0.01`)
        l_ii (float, optional): Weight of the item-item contrast (Eq. 16). (default: :obj:`0.01`)
        tau (float, optional): The temperature of the contrasts. (default: :obj:`0.2`)
        sigmoid_gate (bool, optional): Whether the features pass a second linear map and a sigmoid
            (Eq. 11; released: :obj:`True`). (default: :obj:`False`)
        divide_fusion (bool, optional): Whether the fusion is divided by the number of modalities
            plus one (Eq. 14; released: :obj:`True`). (default: :obj:`False`)
        contrast (str, optional): :obj:`"aligned_pairs"` (Eq. 15-16) or :obj:`"info_nce"`
            (released). (default: :obj:`"aligned_pairs"`)
        bpr_reduction (str, optional): :obj:`"sum"` (Eq. 17) or :obj:`"mean"` (released) over the
            batch. (default: :obj:`"sum"`)

    Example:
        >>> from soil_pyg.datasets import SyntheticMultimodal
        >>> data = SOIL.graph_transform(k=5, profile="released")(SyntheticMultimodal(40, 30)[0])
        >>> model = SOIL.released(40, 30, {"image": 64, "text": 32})
        >>> user_emb, item_emb = model(data)
        >>> (user_emb @ item_emb.t()).size()
        torch.Size([40, 30])
    """

    row_wise = True
    profiles: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {name: paper for name, (paper, _) in PAPER_AND_RELEASED.items()},
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
        super().__init__(num_users, num_items, in_channels, hidden_channels=hidden_channels)
        check_integer("num_item_layers", num_item_layers, 0)
        check_choice("contrast", contrast, ("aligned_pairs", "info_nce"))
        check_choice("bpr_reduction", bpr_reduction, ("sum", "mean"))
        check_at_least("l_ui", l_ui, 0)
        check_at_least("l_ii", l_ii, 0)
        check_flag("sigmoid_gate", sigmoid_gate)
        check_flag("divide_fusion", divide_fusion)
        self.l_ui = l_ui
        self.l_ii = l_ii
        self.num_item_layers = num_item_layers
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
        """Constructs the model of the paper."""
        return cls.from_profile("paper", *args, **kwargs)

    @classmethod
    def released(cls, *args: Any, **kwargs: Any) -> "SOIL":
        """Constructs the model of the released code."""
        return cls.from_profile("released", *args, **kwargs)

    @classmethod
    def best(cls, *args: Any, **kwargs: Any) -> "SOIL":
        """Constructs the model with the best validation results on :obj:`tiktok`."""
        return cls.from_profile("best", *args, **kwargs)

    @classmethod
    def graph_transform(cls, profile: str = "paper", **options: Any) -> SOILGraphs:
        """Returns the transform that builds the user-item and the item-item graphs.

        Args:
            profile (str, optional): The profile of the defaults. (default: :obj:`"paper"`)
            **options (optional): The options of :class:`~soil_pyg.models.soil_graphs.SOILGraphs`.
        """
        return SOILGraphs(**{**cls.profile_options(profile, SOILGraphs), **options})

    def reset_parameters(self) -> None:
        """Draws the embeddings (Xavier uniform) and the layers (PyTorch's defaults) again."""
        super().reset_parameters()
        reset(self.gates)
        reset(self.fusion)

    def propagate(
        self, data: HeteroData, users: Tensor | None = None
    ) -> tuple[PairTensor, list[Tensor], list[Tensor]]:
        """Returns the content embeddings of users and of items (Eq. 2-5), the views of users
        (Eq. 13) and the views of items (Eq. 6-12).
        """
        item = self.item_embedding.weight
        content = self.propagation(self.tables, adjacency(data, USER_ITEM))
        item_views = []
        for modality in self.in_channels:
            view = self.gates[modality](self.item_features(data, modality), item)
            for _ in range(self.num_item_layers):
                view = self.conv(view, adjacency(data, item_item(modality)))
            item_views.append(view)
        aggregation = adjacency(data, AGGREGATION).t()
        user_views = propagate_to(users, self.conv, item_views, aggregation)
        return content, user_views, item_views

    def fuse(self, content: Tensor, views: Sequence[Tensor]) -> Tensor:
        """Returns the side embeddings of some nodes (Eq. 14)."""
        side: Tensor = self.fusion(views)
        return side

    def views(self, data: HeteroData) -> dict[str, PairTensor]:
        """Returns the content and the side embeddings, each of users and of items."""
        content, user_views, item_views = self.propagate(data)
        return {"content": content, "side": (self.fusion(user_views), self.fusion(item_views))}

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the final embeddings of all users and items."""
        (user, item), (user_side, item_side) = self.views(data).values()
        return user + user_side, item + item_side

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the terms of the loss (Eq. 15-18)."""
        user, positive, negative, user_row, item_row = self.embed_batch(tables, batch)
        (content_u, side_u), (content_i, side_i), (content_j, side_j) = user, positive, negative
        final_u, final_i, final_j = content_u + side_u, content_i + side_i, content_j + side_j
        query, target = F.embedding(user_row, final_u), F.embedding(item_row, final_i)
        bpr = self.bpr_loss((query * target).sum(-1), (query * final_j).sum(-1))
        final_u, content_u, side_u, content_i, side_i = map(
            self.contrast.normalize, (final_u, content_u, side_u, content_i, side_i)
        )
        contrast, pairs = self.contrast.compare, torch.stack([user_row, item_row])
        same_i, same_u = item_row.expand(2, -1), user_row.expand(2, -1)
        user_item = contrast(final_u, content_i, pairs) + contrast(final_u, side_i, pairs)
        item_item = contrast(side_i, content_i, same_i) + contrast(side_u, content_u, same_u)
        return {"bpr": bpr, "user_item": self.l_ui * user_item, "item_item": self.l_ii * item_item}

    embed_new_items = soil_newcomers.embed_new_items
    new_user_embedder = soil_newcomers.new_user_embedder

    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        """Splits embeddings into the content and the views, each times its share (Eq. 14)."""
        data = with_graphs(data, USER_ITEM, make_transform)
        second = data[SECOND_ORDER] if SECOND_ORDER in data.edge_types else None
        # The aggregation of the paper adds its edges up without any normalisation.
        is_sum = second is not None and "aggregation_weight" not in second
        hops = FirstHops(data, USER_ITEM, second_order=second)
        view_hops = FirstHops(data, AGGREGATION, None if is_sum else "norm_weight", second)
        return self.split(data, hops, view_hops)

    def shares(self, content: Tensor, views: list[Tensor]) -> list[Tensor | float]:
        """Returns the factor of each view of a node in its side embedding (Eq. 14)."""
        divisor = len(views) + 1 if self.fusion.divide else 1
        if len(views) == 1:
            return [1 / divisor]
        return list((1 - attention(self.fusion.project, self.fusion.query, views)) / divisor)
