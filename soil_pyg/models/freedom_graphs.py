from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose
from torch_geometric.typing import EdgeType

from soil_pyg.transforms import NormalizeGraph, SimilarityGraph, SumGraph, ToAdjacency
from soil_pyg.typing import INTERACTS, ITEM, modalities_of

ITEM_ITEM: EdgeType = (ITEM, "item_item", ITEM)


class FREEDOMGraphs(BaseTransform):
    r"""Makes all graphs that :class:`~soil_pyg.models.FREEDOM` reads.

    The user-item graph, symmetrically normalised, and the frozen item-item graph

    .. math::
        \mathbf{A} = w_1 \mathbf{A}_1 + \frac{1 - w_1}{M - 1} \sum_{m=2}^{M} \mathbf{A}_m

    with :math:`\mathbf{A}_m` the graph of the :math:`k` most similar items by modality :math:`m`,
    without weights, symmetrically normalised. A single modality has the weight 1.

    Args:
        k (int, optional): The number of neighbours, the item itself among them.
            (default: :obj:`10`)
        modalities (list[str], optional): The modalities, the visual one first; :obj:`None` for all
            of the data, in its order. (default: :obj:`None`)
        first_weight (float, optional): The weight :math:`w_1` of the first modality.
            (default: :obj:`0.1`)
        index (str, optional): :obj:`"Flat"` compares all items, any other index of
            :class:`~soil_pyg.nn.KNN` searches approximately, :obj:`"auto"` chooses by the number
            of items. (default: :obj:`"auto"`)
        memory_budget (int, optional): Bytes that a block may take. (default: :obj:`2**30`)

    Raises:
        ValueError: If an option is out of its range.
    """

    def __init__(
        self,
        k: int = 10,
        modalities: list[str] | None = None,
        first_weight: float = 0.1,
        index: str = "auto",
        memory_budget: int = 2**30,
    ) -> None:
        if not 0 <= first_weight <= 1:
            raise ValueError(f"'first_weight' must be within 0 and 1 (got {first_weight})")
        self.modalities = modalities
        self.first_weight = first_weight
        # Edges without weights need no positive similarity.
        self.similarity_graph = SimilarityGraph(
            k, modalities, "keep", index=index, memory_budget=memory_budget
        )

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        names = modalities_of(data) if self.modalities is None else self.modalities
        data = self.similarity_graph(data)
        nearest: list[EdgeType] = [(ITEM, f"{name}_nearest", ITEM) for name in names]
        for name, edge_type in zip(names, nearest, strict=True):
            data[edge_type].edge_index = data[ITEM, f"{name}_similar", ITEM].edge_index
        terms: dict[EdgeType, str | None] = dict.fromkeys(nearest, "norm_weight")
        others = len(names) - 1
        rest = [(1 - self.first_weight) / others] * others if others > 0 else []
        scales = [self.first_weight, *rest] if others > 0 else [1.0]
        return Compose(
            [
                NormalizeGraph([INTERACTS, *nearest]),
                SumGraph(terms, ITEM_ITEM, scales),
                ToAdjacency([INTERACTS], attr="norm_weight"),
                ToAdjacency([ITEM_ITEM]),
            ]
        )(data)

    def __repr__(self) -> str:
        name = self.__class__.__name__
        k = self.similarity_graph.k
        return f"{name}(k={k}, first_weight={self.first_weight})"
