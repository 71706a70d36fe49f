import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform
from torch_geometric.typing import EdgeType

from soil_pyg.transforms.edges import count_edges, edge_blocks
from soil_pyg.utils.checks import check_at_least, check_choice, check_edge_types, check_string
from soil_pyg.utils.data_checks import count_nodes

NORMS = ("sym", "row", "sym_user_index")


@functional_transform("normalize_graph")
class NormalizeGraph(BaseTransform):
    r"""Normalises the weights of edges by the degrees of their nodes.

    .. math::
        \mathrm{sym}(\mathbf{W}) = \mathbf{D}^{-1/2} \mathbf{W} \mathbf{D}^{-1/2}, \qquad
        \mathrm{row}(\mathbf{W}) = \mathbf{D}^{-1} \mathbf{W}

    with :math:`\mathbf{D}` the row sums, rows the targets, as in Eq. 4, 5 and 10 of `"SOIL:
    Contrastive Second-Order Interest Learning for Multimodal Recommendation"
    <https://doi.org/10.1145/3664647.3681207>`_ (functional name: :obj:`normalize_graph`). Edges
    between two node types are one block of a symmetric matrix: each side has its own degrees.
    Edges within a node type need not be symmetric: both factors come from the row sums. The factor
    of a node without edges is 0. Edges without weights weigh 1 and count once if they are repeated.
    Edges that are held as :obj:`adjacency` instead of :obj:`edge_index` are normalised in blocks.

    Args:
        edge_types (list[tuple]): The edge types to normalise.
        norm (str, optional): :obj:`"sym"`, :obj:`"row"`, or :obj:`"sym_user_index"`, the
            normalisation of Eq. 13 in the released code: the factor of item number :math:`j` is
            that of user number :math:`j`. (default: :obj:`"sym"`)
        min_weight (float, optional): The lower bound of the normalised weights; the released code
            has :obj:`1e-7`. (default: :obj:`0.0`, none)
        attr (str, optional): The attribute for the normalised weights.
            (default: :obj:`"norm_weight"`)

    Raises:
        ValueError: If the degree of a node with edges is not positive, or if there are more targets
            than sources with :obj:`norm="sym_user_index"`.

    Example:
        >>> data = HeteroData()
        >>> data["item"].num_nodes = 2
        >>> edge_type = ("item", "image_similar", "item")
        >>> data[edge_type].edge_index = torch.tensor([[0, 1, 1], [0, 0, 1]])
        >>> data[edge_type].edge_weight = torch.tensor([3.0, 1.0, 4.0])
        >>> NormalizeGraph([edge_type])(data)[edge_type].norm_weight
        tensor([0.7500, 0.2500, 1.0000])
    """

    def __init__(
        self,
        edge_types: list[EdgeType],
        norm: str = "sym",
        min_weight: float = 0.0,
        attr: str = "norm_weight",
    ) -> None:
        check_edge_types("edge_types", edge_types)
        check_choice("norm", norm, NORMS)
        check_at_least("min_weight", min_weight, 0)
        check_string("attr", attr)
        self.edge_types = edge_types
        self.norm = norm
        self.min_weight = min_weight
        self.attr = attr

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the normalised weights to the data."""
        for edge_type in self.edge_types:
            source_factor, target_factor = self._factors(data, edge_type)
            out = source_factor.new_empty(count_edges(data, edge_type))
            for edges, source, target, weight in edge_blocks(data, edge_type):
                out[edges] = source_factor[source] * weight * target_factor[target]
            data[edge_type][self.attr] = (
                out.clamp_(min=self.min_weight) if self.min_weight > 0 else out
            )
        return data

    def _factors(self, data: HeteroData, edge_type: EdgeType) -> tuple[Tensor, Tensor]:
        source_type, _, target_type = edge_type
        num_sources, num_targets = count_nodes(data, source_type), count_nodes(data, target_type)
        if self.norm == "row":
            factor = _factor(data, edge_type, True, num_targets, -1.0)
            return factor.new_ones(num_sources), factor
        if self.norm == "sym_user_index":
            if num_targets > num_sources:
                raise ValueError(
                    f"norm='sym_user_index' gives item number j the factor of user number j and "
                    f"needs at least as many users as items (got {num_sources} and {num_targets}); "
                    "use norm='sym'"
                )
            factor = _factor(data, edge_type, False, num_sources, -0.5)
            return factor, factor
        target_factor = _factor(data, edge_type, True, num_targets, -0.5)
        if source_type == target_type:
            return target_factor, target_factor
        return _factor(data, edge_type, False, num_sources, -0.5), target_factor

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(norm={self.norm!r}, min_weight={self.min_weight})"


def _factor(
    data: HeteroData, edge_type: EdgeType, is_target: bool, num_nodes: int, power: float
) -> Tensor:
    # In double precision the rounded sum does not depend on the order of the edges.
    degree = torch.zeros(num_nodes, dtype=torch.float64)
    linked = torch.zeros(num_nodes, dtype=torch.bool)
    for _, source, target, weight in edge_blocks(data, edge_type):
        index = target if is_target else source
        degree, linked = degree.to(index.device), linked.to(index.device)
        degree.index_add_(0, index, weight.double())
        linked[index] = True
    bad = (linked & ~(degree > 0)).nonzero()
    if bad.numel() > 0:
        node = int(bad[0])
        raise ValueError(
            f"node {node} of {edge_type} has the degree {float(degree[node]):.3g}, which cannot "
            "be normalised; make the graph with negative='drop' to leave out similarities that "
            "are not positive"
        )
    return torch.where(linked, degree, 1.0).pow(power).where(linked, 0.0).float()
