import torch
from torch_geometric.data import HeteroData
from torch_geometric.data.datapipes import functional_transform
from typing_extensions import Unpack

from soil_pyg.ops.collector import Features
from soil_pyg.ops.consistent_items import ConsistentItems
from soil_pyg.ops.search_options import SearchKwargs, takes_search_options
from soil_pyg.transforms.utils import SimilarityTransform
from soil_pyg.typing import ITEM
from soil_pyg.utils.checks import check_integer


@functional_transform("consistent_graph")
class ConsistentGraph(SimilarityTransform[ConsistentItems]):
    r"""Links each item with the most similar items among those that are alike in every modality,
    one graph per modality.

    .. math::
        \mathcal{N}_m(i) = \mathrm{top}_k \{ j : S_n[i, j] \geq \bar{S}_n \text{ for all } n \}
        \text{ by } S_m[i, j]

    with :math:`S_n` the cosine of the features and :math:`\bar{S}_n` its mean over all pairs, from
    `"Improving Multi-modal Recommender Systems by Denoising and Aligning Multi-modal Content and
    User Feedback" <https://arxiv.org/abs/2406.12501>`_ (functional name: :obj:`consistent_graph`).
    A modality that one of the two items lacks is left out of the condition. The item itself is a
    candidate and ties go to the smaller id. Edges run neighbour -> item, are sorted by item and
    named :obj:`(node_type, "{modality}_consistent", node_type)`. With an approximate index, the
    candidates are the :math:`4 k` most similar items.

    Args:
        k (int, optional): The number of neighbours, cut at the number of items.
            (default: :obj:`10`)
        modalities (list[str], optional): The modalities. (default: :obj:`None`, all of the data)
        node_type (str, optional): The node type of the items. (default: :obj:`"item"`)
        **search_options (optional): How the nearest items are searched: the arguments of
            :class:`~soil_pyg.nn.SearchOptions`.

    Example:
        >>> data = HeteroData()
        >>> data["item"].x_image = torch.tensor([[1.0, 0.0], [4.0, 3.0], [0.0, 2.0]])
        >>> data = ConsistentGraph(k=2)(data)
        >>> data["item", "image_consistent", "item"].edge_index
        tensor([[0, 1, 0, 1, 2], [0, 0, 1, 1, 2]])
    """

    @takes_search_options
    def __init__(
        self,
        k: int = 10,
        modalities: list[str] | None = None,
        node_type: str = ITEM,
        **search_options: Unpack[SearchKwargs],
    ) -> None:
        super().__init__(modalities, "keep", node_type, **search_options)
        check_integer("k", k, 1)
        self.k = k

    def collector(self, data: HeteroData, features: Features) -> ConsistentItems:
        """Returns the collector of the neighbours."""
        return ConsistentItems(features, self.k)

    def build(self, data: HeteroData, features: Features, items: ConsistentItems) -> HeteroData:
        """Adds the graphs to the data."""
        for modality in features:
            rowptr, neighbour = items.pairs(modality)
            store = data[self.item_type, f"{modality}_consistent", self.item_type]
            store.edge_index = torch.stack([neighbour, torch.repeat_interleave(rowptr.diff())])
            store.search = items.report[modality]
        return data

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(k={self.k})"
