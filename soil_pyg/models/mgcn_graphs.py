from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose

from soil_pyg.models.graphs import similar
from soil_pyg.transforms import NormalizeGraph, SimilarityGraph, ToAdjacency
from soil_pyg.typing import INTERACTS, modalities_of


class MGCNGraphs(BaseTransform):
    r"""Makes all graphs that :class:`~soil_pyg.models.MGCN` reads.

    The user-item graph and for each modality the graph of the :math:`k` most similar items, all
    symmetrically normalised.

    Args:
        k (int, optional): The number of neighbours in the similarity graphs, the item itself
            among them. (default: :obj:`10`)
        modalities (list[str], optional): The modalities; :obj:`None` for all of the data.
            (default: :obj:`None`)
        negative (str, optional): :obj:`"drop"` leaves out edges whose similarity is not positive,
            :obj:`"keep"` keeps them. (default: :obj:`"drop"`)
        index (str, optional): :obj:`"Flat"` compares all items, any other index of
            :class:`~soil_pyg.nn.KNN` searches approximately, :obj:`"auto"` chooses by the number
            of items.
            (default: :obj:`"auto"`)
        memory_budget (int, optional): Bytes that a block may take. (default: :obj:`2**30`)

    Raises:
        ValueError: If an option is out of its range.
    """

    def __init__(
        self,
        k: int = 10,
        modalities: list[str] | None = None,
        negative: str = "drop",
        index: str = "auto",
        memory_budget: int = 2**30,
    ) -> None:
        self.modalities = modalities
        self.similarity_graph = SimilarityGraph(
            k, modalities, negative, index=index, memory_budget=memory_budget
        )

    def forward(self, data: HeteroData) -> HeteroData:
        """Adds the graphs to the data."""
        names = modalities_of(data) if self.modalities is None else self.modalities
        graphs = [INTERACTS, *map(similar, names)]
        return Compose(
            [self.similarity_graph, NormalizeGraph(graphs), ToAdjacency(graphs, "norm_weight")]
        )(data)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.similarity_graph})"
