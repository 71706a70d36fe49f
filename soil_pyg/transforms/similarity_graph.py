import torch
from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform
from typing_extensions import Unpack

from soil_pyg.ops.collector import Features
from soil_pyg.ops.nearest_items import NearestItems
from soil_pyg.ops.pairs import pair_inner_product
from soil_pyg.ops.search_options import SearchKwargs, takes_search_options
from soil_pyg.transforms.utils import SimilarityTransform
from soil_pyg.typing import ITEM
from soil_pyg.utils.checks import check_integer


@functional_transform("similarity_graph")
class SimilarityGraph(SimilarityTransform[NearestItems]):
    r"""Links each item with the items of the most similar features, one graph per modality (Eq. 9).

    .. math::
        \tilde{S}_m[i, j] = S_m[i, j] \quad \text{if } j \in \mathrm{top}_k(S_m[i, :]), \qquad
        S_m[i, j] = \frac{\mathbf{x}_{m,i}^{\top} \mathbf{x}_{m,j}}
        {\|\mathbf{x}_{m,i}\| \|\mathbf{x}_{m,j}\|}

    from `"SOIL: Contrastive Second-Order Interest Learning for Multimodal Recommendation"
    <https://doi.org/10.1145/3664647.3681207>`_ (functional name: :obj:`similarity_graph`).
    The item itself is a candidate and ties go to the smaller id. Edges run neighbour -> item, are
    sorted by item and named :obj:`(node_type, "{modality}_similar", node_type)`. Items whose
    features are all zero lack the modality and have no edges.

    Args:
        k (int, optional): The number of neighbours, cut at the number of items.
            (default: :obj:`10`)
        modalities (list[str], optional): The modalities. (default: :obj:`None`, all of the data)
        negative (str, optional): :obj:`"drop"` leaves out edges whose similarity is not positive,
            :obj:`"keep"` keeps them, as the released code does. (default: :obj:`"drop"`)
        node_type (str, optional): The node type of the items. (default: :obj:`"item"`)
        **search_options (optional): How the nearest items are searched: the arguments of
            :class:`~soil_pyg.nn.SearchOptions`.

    Example:
        >>> data = HeteroData()
        >>> data["item"].x_image = torch.tensor([[1.0, 0.0], [4.0, 3.0], [0.0, 2.0]])
        >>> data = SimilarityGraph(k=2)(data)
        >>> data["item", "image_similar", "item"].edge_index
        tensor([[0, 1, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2]])
    """

    @takes_search_options
    def __init__(
        self,
        k: int = 10,
        modalities: list[str] | None = None,
        negative: str = "drop",
        node_type: str = ITEM,
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        super().__init__(modalities, negative, node_type, **search_options)
        check_integer("k", k, 1)
        self.k = k

    def collector(self, data: HeteroData, features: Features) -> NearestItems:
        """Returns the collector of the neighbours."""
        return NearestItems(features, self.k)

    def build(self, data: HeteroData, features: Features, nearest: NearestItems) -> HeteroData:
        """Adds the graphs to the data."""
        for modality, (c, _) in features.items():
            rowptr, neighbour = nearest.pairs(modality)
            value = pair_inner_product(c, c, rowptr, neighbour)
            item = torch.repeat_interleave(rowptr.diff())
            if self.negative == "drop":
                positive = value > 0
                item, neighbour, value = item[positive], neighbour[positive], value[positive]
            store = data[self.item_type, f"{modality}_similar", self.item_type]
            store.edge_index = torch.stack([neighbour, item])
            store.edge_weight = value
            store.search = nearest.report[modality]
        return data

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(k={self.k}, negative={self.negative!r})"
