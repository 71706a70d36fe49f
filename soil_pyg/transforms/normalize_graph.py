import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform
from torch_geometric.typing import EdgeType

from soil_pyg.checks import check_choice
from soil_pyg.transforms.utils import check_edges, count_nodes

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
    between two node types are one block of a symmetric matrix: both sides have degrees of their
    own. Edges within a node type need not be symmetric: both factors come from the row sums.
    A node without edges has degree 0 and factor 0. Edges without weights weigh 1.

    Args:
        edge_types (list[tuple]): The edge types to normalise.
        norm (str, optional): :obj:`"sym"`, :obj:`"row"`, or :obj:`"sym_user_index"`, the
            normalisation of Eq. 13 in the released code: the factor of item number :math:`j` is
            that of user number :math:`j`. (default: :obj:`"sym"`)
        floor (float, optional): The least normalised weight; the released code has
            :obj:`1e-7`. (default: :obj:`0.0`, no floor)
        attr (str, optional): The attribute that takes the normalised weights.
            (default: :obj:`"norm_weight"`)

    Raises:
        ValueError: If a node with edges has a degree that is not positive, or if
            :obj:`norm="sym_user_index"` meets more targets than sources.

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
        floor: float = 0.0,
        attr: str = "norm_weight",
    ) -> None:
        check_choice("norm", norm, NORMS)
        self.edge_types = edge_types
        self.norm = norm
        self.floor = floor
        self.attr = attr

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the normalised weights to the data."""
        for edge_type in self.edge_types:
            edge_index = check_edges(data, edge_type)
            weight = data[edge_type].get("edge_weight")
            if weight is None:
                weight = torch.ones(edge_index.size(1), device=edge_index.device)
            source_factor, target_factor = self._factors(data, edge_type, edge_index, weight)
            source, target = edge_index
            weight = source_factor[source] * weight * target_factor[target]
            data[edge_type][self.attr] = weight.clamp(min=self.floor) if self.floor > 0 else weight
        return data

    def _factors(
        self, data: HeteroData, edge_type: EdgeType, edge_index: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        source_type, _, target_type = edge_type
        num_sources, num_targets = count_nodes(data, source_type), count_nodes(data, target_type)
        source, target = edge_index
        if self.norm == "row":
            return weight.new_ones(num_sources), _factor(
                target, weight, num_targets, -1.0, edge_type
            )
        if self.norm == "sym_user_index":
            if num_targets > num_sources:
                raise ValueError(
                    f"norm='sym_user_index' gives item number j the factor of user number j and "
                    f"needs at least as many users as items (got {num_sources} and {num_targets}); "
                    "use norm='sym'"
                )
            factor = _factor(source, weight, num_sources, -0.5, edge_type)
            return factor, factor
        target_factor = _factor(target, weight, num_targets, -0.5, edge_type)
        if source_type == target_type:
            return target_factor, target_factor
        return _factor(source, weight, num_sources, -0.5, edge_type), target_factor

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(norm={self.norm!r}, floor={self.floor})"


def _factor(
    index: Tensor, weight: Tensor, num_nodes: int, power: float, edge_type: EdgeType
) -> Tensor:
    # Double precision makes the sum independent of the order of the edges after rounding.
    degree = torch.zeros(num_nodes, dtype=torch.float64, device=weight.device)
    degree.index_add_(0, index, weight.double())
    linked = torch.bincount(index, minlength=num_nodes) > 0
    bad = (linked & ~(degree > 0)).nonzero()
    if bad.numel() > 0:
        node = int(bad[0])
        raise ValueError(
            f"node {node} of {edge_type} has the degree {float(degree[node]):.3g}, which cannot "
            "be normalised; make the graph with negative='drop' to leave out similarities that "
            "are not positive"
        )
    return torch.where(linked, degree, 1.0).pow(power).where(linked, 0.0).to(weight.dtype)
