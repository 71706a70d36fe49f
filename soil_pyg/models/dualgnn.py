import torch
from torch import Tensor
from torch.nn import Embedding
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose

from soil_pyg.models.graphs import PairTensor, normalized_interactions
from soil_pyg.models.preference_recommender import draw_weights
from soil_pyg.models.user_graph_recommender import UserGraphRecommender
from soil_pyg.transforms import UserGraph
from soil_pyg.typing import ITEM
from soil_pyg.utils.checks import check_choice


class DualGNN(UserGraphRecommender):
    r"""Preferences per modality and a graph of similar users, from the `"DualGNN: Dual Graph Neural
    Network for Multimedia Recommendation" <https://doi.org/10.1109/TMM.2021.3138298>`_ paper.

    .. math::
        \mathbf{R}_u = \sum_m w_{um} \mathbf{h}_{u,m}, \qquad
        \mathbf{F}_u = \mathbf{R}_u + \sum_v G_{uv} \mathbf{R}_v, \qquad
        \mathbf{F}_i = \sum_m \mathbf{h}_{i,m}, \qquad
        \hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i

    with :math:`\mathbf{h}_{\cdot,m}` of :class:`~soil_pyg.nn.ModalityEncoder`, trained weights
    :math:`w_{um}` and the graph :math:`\mathbf{G}` of :class:`~soil_pyg.transforms.UserGraph`.

    Args:
        num_users, num_items, in_channels, hidden_channels, reg, pad: See
            :class:`UserGraphRecommender`.
        user_sum (str, optional): :obj:`"weighted"` as above; in the released code of MMRec,
            :obj:`"shifted"`, the first modality of users is the sum of all.
            (default: :obj:`"weighted"`)

    Example:
        >>> from soil_pyg.datasets import SyntheticMultimodal
        >>> data = DualGNN.graph_transform(user_k=3)(SyntheticMultimodal(40, 30)[0])
        >>> model = DualGNN(40, 30, {"image": 64, "text": 32}, hidden_channels=8)
        >>> user_emb, item_emb = model(data)
        >>> user_emb.size()
        torch.Size([40, 8])
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        reg: float = 1e-3,
        pad: str = "none",
        user_sum: str = "weighted",
    ) -> None:
        super().__init__(
            num_users, num_items, in_channels, hidden_channels=hidden_channels, reg=reg, pad=pad
        )
        check_choice("user_sum", user_sum, ("weighted", "shifted"))
        self.user_sum = user_sum
        # No score reads it, but the released loss regularises it.
        self.item_weight = Embedding(num_items, len(self.in_channels))
        self.reset_parameters()

    @classmethod
    def graph_transform(cls, user_k: int = 40, memory_budget: int = 2**30) -> BaseTransform:
        """Returns the transform that builds the normalised user-item graph and the graph of similar
        users.

        Args:
            user_k (int, optional): The number of similar users, see
                :class:`~soil_pyg.transforms.UserGraph`. (default: :obj:`40`)
            memory_budget (int, optional): The number of bytes per block. (default: :obj:`2**30`)
        """
        return Compose([normalized_interactions(), UserGraph(user_k, memory_budget)])

    def reset_parameters(self) -> None:
        """Draws the parameters again; the weights of a node add up to 1."""
        super().reset_parameters()
        draw_weights(self.item_weight)

    def node_parameters(self) -> dict[str, str]:
        """Returns the node type of every parameter with one row per node, by its name."""
        return super().node_parameters() | {"item_weight.weight": ITEM}

    def embed(
        self, data: HeteroData, users: Tensor | None = None, training: bool = False
    ) -> PairTensor:
        """Returns the final embeddings of some users, or of all, and those of all items."""
        user_views, item_views = map(list, zip(*self.encode(data), strict=True))
        user = self.combine(user_views, self.user_weight.weight)
        item = torch.stack(item_views).sum(dim=0)
        return self.gather_similar(data, user, users, training), item

    def combine(self, views: list[Tensor], weight: Tensor) -> Tensor:
        """Returns the weighted sum of the embeddings of some users in each modality."""
        if self.user_sum == "shifted":
            views = [torch.stack(views).sum(dim=0), *views[1:]]
        return (weight.t().unsqueeze(-1) * torch.stack(views)).sum(dim=0)

    def split_items(self, item: Tensor, views: list[Tensor]) -> list[Tensor]:
        """Returns the summand of the final embeddings of items that comes from each modality."""
        return views

    def regularize(self) -> Tensor:
        """Returns the part of the regularisation that is the same for every batch."""
        return super().regularize() + self.item_weight.weight.square().mean()
