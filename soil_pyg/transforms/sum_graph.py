from collections.abc import Mapping

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform
from torch_geometric.typing import EdgeType
from torch_geometric.utils import cumsum

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.keys import sum_by_key
from soil_pyg.ops.ragged import GrowingTensors, budget_blocks
from soil_pyg.transforms.edges import (
    EDGES_AT_ONCE,
    check_weight,
    distinct_edges,
    held,
    hold,
    is_held_as_matrix,
)
from soil_pyg.utils.checks import check_edge_type, check_flag, check_numbers, check_string
from soil_pyg.utils.data_checks import count_nodes


@functional_transform("sum_graph")
class SumGraph(BaseTransform):
    r"""Adds up graphs of the same nodes, each multiplied by a factor.

    .. math::
        \mathbf{W} = \sum_g s_g \mathbf{W}_g

    as in Eq. 4, 5, 10 and 13 of `"SOIL: Contrastive Second-Order Interest Learning for Multimodal
    Recommendation" <https://doi.org/10.1145/3664647.3681207>`_ (functional name:
    :obj:`sum_graph`). Edges in several graphs are merged; edges are sorted by (target, source). If
    a term is held as :obj:`adjacency` without an :obj:`edge_index` of its own, the sum is made in
    blocks of targets and held as :obj:`adjacency`.

    Args:
        terms (dict[tuple, str or None]): The attribute of the weights by edge type, :obj:`None` for
            weights of 1. Edges without an :obj:`"edge_weight"` have the weights of their matrix, or
            else 1.
        out (tuple): The edge type of the sum.
        scales (list[float], optional): The factor :math:`s_g` of each term.
            (default: :obj:`None`, all 1)
        to_adjacency (bool, optional): If set to :obj:`True`, adds an
            :class:`~soil_pyg.nn.Adjacency` named :obj:`adjacency` in any case, and
            :obj:`edge_index` and :obj:`edge_weight` only for up to :math:`2^{22}` edges.
            (default: :obj:`False`)

    Raises:
        ValueError: If the terms do not link the same node types, their number is not that of the
            scales, or edges lack another attribute than :obj:`"edge_weight"`.

    Example:
        >>> data = HeteroData()
        >>> data["user"].num_nodes, data["item"].num_nodes = 1, 2
        >>> bought, viewed = ("user", "bought", "item"), ("user", "viewed", "item")
        >>> data[bought].edge_index = torch.tensor([[0], [0]])
        >>> data[viewed].edge_index = torch.tensor([[0, 0], [0, 1]])
        >>> out = ("user", "knows", "item")
        >>> data = SumGraph({bought: None, viewed: None}, out, scales=[1.0, 0.5])(data)
        >>> data[out].edge_weight
        tensor([1.5000, 0.5000])
    """

    def __init__(
        self,
        terms: Mapping[EdgeType, str | None],
        out: EdgeType,
        scales: list[float] | None = None,
        to_adjacency: bool = False,
    ) -> None:
        check_edge_type("out", out)
        check_flag("to_adjacency", to_adjacency)
        if not isinstance(terms, Mapping) or len(terms) == 0:
            raise ValueError(f"'terms' must map edge types to attributes (got {terms!r})")
        scales = [1.0] * len(terms) if scales is None else scales
        check_numbers("scales", scales)
        if len(scales) != len(terms):
            raise ValueError(f"'scales' must have {len(terms)} entries (got {len(scales)})")
        for edge_type, attr in terms.items():
            check_edge_type("terms", edge_type)
            if attr is not None:
                check_string("terms", attr)
            if (edge_type[0], edge_type[2]) != (out[0], out[2]):
                raise ValueError(f"{edge_type} does not link the same nodes as 'out' {out}")
        self.terms = terms
        self.out = out
        self.scales = scales
        self.to_adjacency = to_adjacency

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the sum to the data."""
        is_matrix = any(is_held_as_matrix(data, term) for term in self.terms)
        matrix = self._sum(data)
        if is_matrix or self.to_adjacency:
            hold(data, self.out, matrix, is_source=True)
        else:
            data[self.out].edge_index = torch.stack([matrix.col.long(), matrix.row()])
            data[self.out].edge_weight = matrix.weight
        return data

    def _sum(self, data: HeteroData) -> Adjacency:
        num_sources, num_targets = (count_nodes(data, self.out[end]) for end in (0, 2))
        terms = [_Term(data, edge_type, attr) for edge_type, attr in self.terms.items()]
        cost = torch.stack([term.lengths(num_targets) for term in terms]).sum(dim=0)
        types = torch.long, torch.int32, torch.float32
        out = GrowingTensors(*types, device=cost.device)
        # The keys of all edges and the order that sorts them would be larger than the graphs.
        for rows in budget_blocks(cost, EDGES_AT_ONCE):
            keys, weights = [], []
            for term, scale in zip(terms, self.scales, strict=True):
                source, target, weight = term.edges_to(rows)
                keys.append((target - rows.start) * num_sources + source)
                weights.append(scale * weight)
            key, total = sum_by_key(torch.cat(keys), torch.cat(weights))
            row = key // num_sources
            length = torch.bincount(row, minlength=rows.stop - rows.start)
            out.add(length, key - row * num_sources, total)
        length, col, weight = out.pop()
        return Adjacency(cumsum(length), col, weight, num_sources)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({list(self.terms)}, out={self.out})"


class _Term:
    # The edges of one graph, held as indices or as a matrix.
    def __init__(self, data: HeteroData, edge_type: EdgeType, attr: str | None) -> None:
        is_matrix = is_held_as_matrix(data, edge_type)
        self._matrix = held(data, edge_type) if is_matrix else None
        self._edges = None if is_matrix else distinct_edges(data, edge_type)
        self._weight = None if attr is None else check_weight(data, edge_type, attr)
        if attr is not None and self._weight is None:
            if attr != "edge_weight":
                raise ValueError(f"'terms': {edge_type} has no attribute '{attr}'")
            self._weight = None if self._matrix is None else self._matrix.weight

    def lengths(self, num_targets: int) -> Tensor:
        """Returns the number of edges of each target."""
        if self._matrix is not None:
            return self._matrix.rowptr.diff().long()
        assert self._edges is not None
        return torch.bincount(self._edges[1], minlength=num_targets)

    def edges_to(self, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the sources, the targets and the weights of the edges to some targets."""
        edges: slice | Tensor
        if self._matrix is not None:
            ptr = self._matrix.rowptr[rows.start : rows.stop + 1].long()
            edges = slice(int(ptr[0]), int(ptr[-1]))
            source = self._matrix.col[edges].long()
            targets = torch.arange(rows.start, rows.stop, device=ptr.device)
            target = targets.repeat_interleave(ptr.diff())
        else:
            assert self._edges is not None
            target = self._edges[1]
            edges = ((target >= rows.start) & (target < rows.stop)).nonzero().view(-1)
            source, target = self._edges[0, edges], target[edges]
        if self._weight is None:
            return source, target, torch.ones(source.numel(), device=source.device)
        return source, target, self._weight[edges]
