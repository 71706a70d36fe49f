import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import Unpack

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.collector import Features
from soil_pyg.ops.edge_products import edge_products
from soil_pyg.ops.nearest_items import NearestItems
from soil_pyg.ops.search_options import SearchKwargs, SearchOptions, takes_search_options
from soil_pyg.ops.similarity_pass import SimilarityPass
from soil_pyg.utils.checks import check_choice, check_integer
from soil_pyg.utils.engine import use_engine


class LearnedGraph(torch.nn.Module):
    r"""Links each item, in each modality, with the items whose learned features are most similar,
    and adds up the graphs of the modalities.

    .. math::
        \mathbf{A} = \mathrm{sym} \Big( \sum_m w_m \tilde{\mathbf{S}}_m \Big), \qquad
        \tilde{S}_m[i, j] = \frac{\mathbf{x}_{m,i}^{\top} \mathbf{x}_{m,j}}
        {\|\mathbf{x}_{m,i}\| \|\mathbf{x}_{m,j}\|} \quad \text{if } j \in
        \mathrm{top}_k(\mathbf{x}_{m,i})

    from `"Mining Latent Structures for Multimedia Recommendation"
    <https://arxiv.org/abs/2104.09036>`_. The neighbours are searched in blocks without a
    gradient. Gradients flow through the similarities of the pairs that were found, the degrees of
    :math:`\mathrm{sym}` and the weights of the modalities.

    Args:
        k (int, optional): The number of neighbours, including the item itself, cut at the number
            of items. (default: :obj:`10`)
        negative (str, optional): :obj:`"drop"` leaves out pairs whose similarity is not positive,
            :obj:`"keep"` keeps them. (default: :obj:`"drop"`)
        **search_options (optional): How the nearest items are searched: the arguments of
            :class:`~soil_pyg.nn.SearchOptions`.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
        >>> features = {"image": (x, torch.ones(3, dtype=torch.bool))}
        >>> LearnedGraph(k=2)(features, torch.ones(1)).to_dense()
        tensor([[0.5000, 0.5000, 0.0000],
                [0.5000, 0.5000, 0.0000],
                [0.0000, 0.0000, 1.0000]])
    """

    @takes_search_options
    def __init__(
        self,
        k: int = 10,
        negative: str = "drop",
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        super().__init__()
        check_integer("k", k, 1)
        check_choice("negative", negative, ("drop", "keep"))
        self.k = k
        self.negative = negative
        self.search_options = SearchOptions(**search_options)

    # The search, most of the work, cannot be compiled.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, features: Features, weight: Tensor) -> Adjacency:
        """Returns the normalised matrix.

        Args:
            features (dict[str, (Tensor, Tensor)]): For each modality the learned features of shape
                :obj:`[num_items, channels]` and the mask of the items that have it.
            weight (Tensor): The weight of each modality, of shape :obj:`[num_modalities]`.

        Raises:
            ValueError: If :obj:`negative="keep"` gives an item a degree that is not positive.
        """
        # No product of pairs has a lower precision.
        weight = weight.to(torch.promote_types(weight.dtype, torch.float32))
        unit = {m: (F.normalize(x.to(weight.dtype)), has) for m, (x, has) in features.items()}
        nearest = self.search(unit)
        edges, weights = [], []
        for (modality, (c, _)), share in zip(unit.items(), weight, strict=True):
            rowptr, neighbour = nearest.pairs(modality)
            pairs = Adjacency(rowptr, neighbour, c.new_empty(len(neighbour)), c.size(0))
            value = edge_products(c, c, pairs)
            edge_index = torch.stack([neighbour, torch.repeat_interleave(rowptr.diff())])
            if self.negative == "drop":
                positive = value > 0
                edge_index, value = edge_index[:, positive], value[positive]
            edges.append(edge_index)
            weights.append(share * value)
        return self.normalize(torch.cat(edges, dim=1), torch.cat(weights), c.size(0))

    @torch.no_grad()
    def search(self, features: Features) -> NearestItems:
        """Returns the neighbours of all items, given unit features."""
        features = {m: (c.float(), has) for m, (c, has) in features.items()}
        nearest = NearestItems(features, self.k)
        device_type = next(iter(features.values()))[0].device.type
        # Autocast would choose other neighbours.
        # The graph is searched too often for an engine that has to be started.
        with torch.autocast(device_type, enabled=False), use_engine("local"):
            SimilarityPass(features, self.search_options).run(nearest)
        return nearest

    def normalize(self, edge_index: Tensor, edge_weight: Tensor, num_items: int) -> Adjacency:
        r"""Returns :math:`\mathbf{D}^{-1/2} \mathbf{W} \mathbf{D}^{-1/2}`, with :math:`\mathbf{D}`
        the row sums, of edges neighbour -> item, which may be repeated.
        """
        source, target = edge_index
        degree = edge_weight.new_zeros(num_items).index_add(0, target, edge_weight)
        linked = torch.zeros_like(degree, dtype=torch.bool).index_fill(0, target, True)
        bad = (linked & (degree <= 0)).nonzero()
        if bad.numel() > 0:
            raise ValueError(
                f"item {int(bad[0])} has the degree {float(degree[bad[0]]):.3g} in the learned "
                "graph, which cannot be normalised; use negative='drop' to leave out similarities "
                "that are not positive"
            )
        factor = degree.where(linked, 1.0).rsqrt()
        weight = factor[source] * edge_weight * factor[target]
        return Adjacency.from_edge_index(edge_index, weight, (num_items, num_items))

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(k={self.k}, negative={self.negative!r})"
