import torch
from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType
from torch_geometric.utils import cumsum
from typing_extensions import Unpack

from soil_pyg.models.freedom import FREEDOMGraphs
from soil_pyg.models.graphs import adjacency
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.pairs import block_rows
from soil_pyg.ops.ragged import GrowingTensors
from soil_pyg.ops.search_options import SearchKwargs, takes_search_options
from soil_pyg.ops.singular_triples import leading_singular_triples
from soil_pyg.transforms.edges import hold
from soil_pyg.typing import INTERACTS, ITEM, USER
from soil_pyg.utils.checks import check_choice, check_integer
from soil_pyg.utils.progress import blocks

PRINCIPAL: EdgeType = (USER, "principal", ITEM)
"""The principal graph of the whole user-item graph."""

MODES = ("local", "global")
"""The ways to find the principal graph."""

CUT = 1e-3
"""The smallest magnitude of an entry of the principal graph, as in the released code."""


class PGLGraphs(FREEDOMGraphs):
    r"""Builds all graphs of :class:`~soil_pyg.models.PGL`: those of
    :class:`~soil_pyg.models.freedom.FREEDOMGraphs` and, with :obj:`mode="global"`, the principal
    graph

    .. math::
        \mathbf{T} = \sum_{r < q} s_r s_{d - q + r} \mathbf{u}_r \mathbf{v}_r^{\top}, \qquad
        q = \lfloor d / 4 \rfloor

    without the entries below :math:`10^{-3}`, with :math:`s_0 \geq s_1 \geq \ldots` the :math:`d`
    largest singular values of the normalised matrix of all nodes. They come in equal pairs, so half
    of the triples follow from the block of users and items. Fewer than :math:`500{,}000 \, q`
    entries can be as large as that.

    Args:
        k, modalities, first_weight (optional): See
            :class:`~soil_pyg.models.freedom.FREEDOMGraphs`.
        mode (str, optional): :obj:`"local"`, for which the model draws the principal graph, or
            :obj:`"global"`. (default: :obj:`"local"`)
        rank (int, optional): The number :math:`d`, cut at twice the number of users or items; it
            and :math:`q` must be even, or the sum is not unique. (default: :obj:`64`)
        **search_options (optional): The arguments of :class:`~soil_pyg.nn.SearchOptions`.
    """

    @takes_search_options
    def __init__(
        self,
        k: int = 10,
        modalities: list[str] | None = None,
        first_weight: float = 0.1,
        mode: str = "local",
        rank: int = 64,
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        super().__init__(k, modalities, first_weight, **search_options)
        check_choice("mode", mode, MODES)
        check_integer("rank", rank, 8)
        if not _is_paired(rank):
            raise ValueError(f"'rank' and its quarter, rounded down, must be even (got {rank})")
        self.mode = mode
        self.rank = rank

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        data = super().forward(data)
        if self.mode == "global":
            hold(data, PRINCIPAL, self.principal(adjacency(data, INTERACTS)), is_source=True)
        return data

    def principal(self, interactions: Adjacency) -> Adjacency:
        """Returns the principal graph of the normalised interactions."""
        rank = min(self.rank, 2 * min(interactions.size))
        while not _is_paired(rank):
            rank -= 1
        item, value, user = leading_singular_triples(interactions, rank // 2)
        half = rank // 4 // 2
        item = item[:, :half] * (value[:half] * value[rank // 2 - half :])
        user = user[:, :half]
        num_items, num_users = interactions.size
        out = GrowingTensors(torch.long, torch.int32, torch.float32, device=item.device)
        rows = block_rows(self.similarity_graph.search_options.memory_budget, num_users)
        for block in blocks(num_items, rows, "finding principal interactions"):
            weight = item[block] @ user.t()
            row, col = (weight.abs() >= CUT).nonzero().unbind(1)
            out.add(torch.bincount(row, minlength=len(weight)), col, weight[row, col])
        length, col, weight = out.pop()
        return Adjacency(cumsum(length), col, weight, num_users)

    def __repr__(self) -> str:
        name, k = self.__class__.__name__, self.similarity_graph.k
        return f"{name}(k={k}, first_weight={self.first_weight}, mode={self.mode!r})"


def _is_paired(rank: int) -> bool:
    return rank % 2 == 0 and rank // 4 % 2 == 0
