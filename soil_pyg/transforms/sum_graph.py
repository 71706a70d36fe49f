import torch
from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform
from torch_geometric.typing import EdgeType

from soil_pyg.transforms.utils import check_edges, count_nodes


@functional_transform("sum_graph")
class SumGraph(BaseTransform):
    r"""Adds up graphs of the same nodes, each times a factor.

    .. math::
        \mathbf{W} = \sum_g s_g \mathbf{W}_g

    as in Eq. 4, 5, 10 and 13 of `"SOIL: Contrastive Second-Order Interest Learning for Multimodal
    Recommendation" <https://doi.org/10.1145/3664647.3681207>`_ (functional name:
    :obj:`sum_graph`). An edge that is in several graphs is one edge of the sum; edges are sorted
    by (target, source).

    Args:
        terms (dict[tuple, str or None]): The attribute with the weights of each edge type,
            :obj:`None` for weights of 1.
        out (tuple): The edge type of the sum.
        scales (list[float], optional): A factor for each term. (default: :obj:`None`, all 1)

    Raises:
        ValueError: If the terms do not link the same node types, or the scales do not match.

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
        self, terms: dict[EdgeType, str | None], out: EdgeType, scales: list[float] | None = None
    ) -> None:
        scales = [1.0] * len(terms) if scales is None else scales
        if len(scales) != len(terms):
            raise ValueError(f"'scales' must have {len(terms)} entries (got {len(scales)})")
        for edge_type in terms:
            if (edge_type[0], edge_type[2]) != (out[0], out[2]):
                raise ValueError(f"{edge_type} does not link the same nodes as 'out' {out}")
        self.terms = terms
        self.out = out
        self.scales = scales

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the sum to the data."""
        num_sources = count_nodes(data, self.out[0])
        keys, weights = [], []
        for (edge_type, attr), scale in zip(self.terms.items(), self.scales, strict=True):
            source, target = check_edges(data, edge_type)
            keys.append(target * num_sources + source)
            if attr is None:
                weights.append(torch.full_like(source, scale, dtype=torch.float))
            else:
                weights.append(scale * data[edge_type][attr])
        key, inverse = torch.unique(torch.cat(keys), return_inverse=True)
        total = torch.zeros(key.numel(), dtype=torch.float64, device=key.device)
        total.index_add_(0, inverse, torch.cat(weights).double())
        data[self.out].edge_index = torch.stack([key % num_sources, key // num_sources])
        data[self.out].edge_weight = total.float()
        return data

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({list(self.terms)}, out={self.out})"
