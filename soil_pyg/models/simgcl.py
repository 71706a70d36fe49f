from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.batch_nodes import distinct
from soil_pyg.models.decompose import Decomposition, FirstHops, double_copy
from soil_pyg.models.graphs import MakeTransform, PairTensor, adjacency, with_graphs
from soil_pyg.models.lightgcn import LightGCN
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.nn import Adjacency, InfoNCELoss, perturb
from soil_pyg.typing import INTERACTS, Triplets
from soil_pyg.utils.checks import check_at_least, check_integer


class SimGCL(LightGCN):
    r"""Contrast between two noisy propagations, from the `"Are Graph Augmentations Necessary?
    Simple Graph Contrastive Learning for Recommendation" <https://arxiv.org/abs/2112.08679>`_
    paper.

    .. math::
        \mathbf{E} = \frac{1}{L} \sum_{l=1}^{L} \mathbf{E}^{(l)}, \qquad
        \mathbf{E}^{(l)} = \mathbf{L} \mathbf{E}^{(l-1)}, \qquad
        \hat{y}_{ui} = \mathbf{e}_u^{\top} \mathbf{e}_i

    with :math:`\mathbf{L}` the symmetrically normalised matrix of the interactions; unlike in
    :class:`LightGCN`, the initial embeddings are no part of the mean. A noisy propagation adds to
    every row of every layer

    .. math::
        \mathbf{e}^{(l)} \leftarrow \mathbf{e}^{(l)} + \epsilon \, \mathrm{sign}(\mathbf{e}^{(l)})
        \odot \frac{\mathbf{r}}{\|\mathbf{r}\|}, \qquad \mathbf{r} \sim \mathcal{U}(0, 1)^d

    The contrast of two such propagations, over the users of a batch and over its positive items,
    is added to the ranking loss and the regularisation of :class:`LightGCN`. Noise is drawn in
    training, once per step.

    Args:
        num_users, num_items, in_channels, hidden_channels: See :class:`EmbeddingRecommender`.
        num_layers (int, optional): The number of layers :math:`L`, at least 1.
            (default: :obj:`3`)
        reg (float, optional): The weight of the regularisation of the batch's initial embeddings.
            (default: :obj:`1e-4`)
        eps (float, optional): The length :math:`\epsilon` of the noise. (default: :obj:`0.1`)
        cl_weight (float, optional): The weight of the contrast. (default: :obj:`0.5`)
        tau (float, optional): The temperature of the contrast. (default: :obj:`0.2`)
    """

    row_wise = True

    contrasted: ClassVar[tuple[int, int]] = (2, 3)
    """The two of the loss tables that the contrast compares."""

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        hidden_channels: int = 64,
        num_layers: int = 3,
        reg: float = 1e-4,
        eps: float = 0.1,
        cl_weight: float = 0.5,
        tau: float = 0.2,
    ) -> None:
        check_integer("num_layers", num_layers, 1)
        super().__init__(
            *(num_users, num_items, in_channels),
            hidden_channels=hidden_channels,
            num_layers=num_layers,
            reg=reg,
        )
        check_at_least("eps", eps, 0)
        check_at_least("cl_weight", cl_weight, 0)
        self.eps = eps
        self.cl_weight = cl_weight
        self.contrast = InfoNCELoss(tau)

    def layers(self, data: HeteroData, noisy: bool = False) -> Iterator[PairTensor]:
        """Yields the embeddings of users and of items in each layer after the initial one."""
        x, graph = self.tables, adjacency(data, INTERACTS)
        for _ in range(self.propagation.num_layers):
            x = self.propagation.conv(x, graph)
            if noisy and self.training:
                x = perturb(x[0], self.eps), perturb(x[1], self.eps)
            yield x

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Returns the propagated embeddings of all users and items."""
        return mean(self.layers(data))

    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        """Returns the propagated, the initial and twice the noisy embeddings."""
        views = (mean(self.layers(data, noisy=True)) for _ in range(2))
        return to_tables(users, self(data), self.tables, *views)

    def batch_loss(self, tables: LossTables, batch: Triplets) -> dict[str, Tensor]:
        """Returns the ranking loss, the regularisation and the contrast."""
        contrast = self._contrast(tables.user, batch.user)
        contrast = contrast + self._contrast(tables.item, batch.positive)
        return {**super().batch_loss(tables, batch), "contrast": self.cl_weight * contrast}

    def _contrast(self, tables: Sequence[Tensor], index: Tensor) -> Tensor:
        nodes, row = distinct(index)
        query, candidate = (F.embedding(nodes, tables[place]) for place in self.contrasted)
        loss: Tensor = self.contrast(query, candidate, row.expand(2, -1))
        return loss

    def messages(self, graph: Adjacency) -> Tensor:
        """Returns the embedding that each item sends to a user over an edge of weight 1."""
        num_layers = self.propagation.num_layers
        return super().messages(graph) * ((num_layers + 1) / num_layers)

    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        """Splits the embedding of a user by the edges that leave the user; there is no part of the
        user's own.
        """
        data = with_graphs(data, INTERACTS, make_transform)
        model, hops = double_copy(self), FirstHops(data, INTERACTS)
        own = torch.zeros_like(model.user_embedding.weight)
        sent = model.messages(adjacency(data, INTERACTS))
        return Decomposition(model(data), own, hops, sent)


def mean(layers: Iterator[PairTensor]) -> PairTensor:
    """Returns the mean of layers, of users and of items."""
    users, items = zip(*layers, strict=True)
    return sum(users[1:], users[0]) / len(users), sum(items[1:], items[0]) / len(items)


def to_tables(users: Tensor, *embeddings: PairTensor) -> LossTables:
    """Returns embeddings of all users and items as the tables of a loss."""
    user, item = zip(*embeddings, strict=True)
    return LossTables([F.embedding(users, table) for table in user], item)
