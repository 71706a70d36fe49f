import logging
from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from soil_pyg.nn.inverted_lists import auto_index
from soil_pyg.nn.knn import KNN
from soil_pyg.progress import blocks

MAX_COLUMNS = 1024
"""More columns at a time would not be multiplied faster."""

Features = dict[str, tuple[Tensor, Tensor]]
"""For each modality unit features of shape [num_items, channels] and the items that have it."""

logger = logging.getLogger("soil_pyg")


class Collector(ABC):
    """What a graph needs of the similarities, gathered while :class:`SimilarityPass` makes them."""

    num_rows: int = 0
    """The rows of what is held for each column of a block, beside the similarities."""

    num_neighbours: int = 0
    """How many neighbours of each item an approximate search must find."""

    def __init__(self) -> None:
        self.search: dict[str, dict[str, Any]] = {}
        """How each modality was searched: the index and, unless it is exact, the recall."""

    @abstractmethod
    def add_block(self, block: slice, similarity: dict[str, Tensor]) -> None:
        """Takes some columns of the similarities, of shape :obj:`[num_items, block_size]` each."""

    @abstractmethod
    def add_index(self, modality: str, knn: KNN, node: Tensor, neighbour: Tensor) -> None:
        """Takes what an approximate search found.

        Args:
            modality (str): The modality.
            knn (KNN): The search among the items that have it.
            node (Tensor): These items.
            neighbour (Tensor): Their neighbours, as positions in :obj:`node`, :obj:`-1` where
                fewer were found.
        """


class SimilarityPass:
    r"""Makes the similarities of all items once, for all graphs that are built of them.

    .. math::
        S_m[i, j] = \mathbf{c}_{m,i}^{\top} \mathbf{c}_{m,j}

    (Eq. 1) in blocks of columns, each of which is multiplied once and handed to every
    :class:`Collector`. Where that is not the cheapest, for many items, one approximate index a
    modality is built and searched instead. Which was chosen is logged as :obj:`"soil_pyg"` and
    kept as :attr:`index`.

    Args:
        features (dict[str, (Tensor, Tensor)]): For each modality the unit features of shape
            :obj:`[num_items, channels]` and the mask of the items that have it.
        index (str, optional): :obj:`"Flat"` compares all items, any other index of
            :class:`~soil_pyg.nn.KNN` searches approximately, :obj:`"auto"` chooses by the number
            of items.
            (default: :obj:`"auto"`)
        memory_budget (int, optional): Bytes that a block may take. (default: :obj:`2**30`)
    """

    def __init__(self, features: Features, index: str = "auto", memory_budget: int = 2**30) -> None:
        self.features = features
        self.memory_budget = memory_budget
        self.num_items = next(iter(features.values()))[0].size(0)
        self.index = auto_index(self.num_items) if index == "auto" else index
        self.is_exact = self.index == "Flat"

    def run(self, *collectors: Collector) -> None:
        """Fills the collectors.

        Args:
            *collectors (Collector): What gathers the similarities.
        """
        if self.is_exact:
            self._compare(collectors)
        else:
            self._search(collectors)

    def _compare(self, collectors: tuple[Collector, ...]) -> None:
        rows = (2 * len(self.features) + 4) * self.num_items
        rows += 3 * sum(collector.num_rows for collector in collectors)
        # Half of the budget is left for what the collectors keep.
        columns = max(1, min(MAX_COLUMNS, self.memory_budget // (8 * rows)))
        logger.info("%d items: compared exactly, %d at a time", self.num_items, columns)
        for collector in collectors:
            collector.search = {modality: {"index": self.index} for modality in self.features}
        for block in blocks(self.num_items, columns, "comparing items"):
            similarity = {m: c @ c[block].t() for m, (c, _) in self.features.items()}
            for collector in collectors:
                collector.add_block(block, similarity)

    def _search(self, collectors: tuple[Collector, ...]) -> None:
        wanted = [c.num_neighbours for c in collectors if c.num_neighbours > 0]
        logger.info("%d items: searched approximately with %s", self.num_items, self.index)
        for modality, (c, has) in self.features.items():
            node = has.nonzero().view(-1)
            c = c if node.numel() == self.num_items else c[has]
            knn = KNN(c, self.index, memory_budget=self.memory_budget)
            neighbour = node[:0]
            if wanted:
                knn.tune(c, min(wanted))
                neighbour = knn.search(c, max(wanted))[1].int()
            for collector in collectors:
                collector.search[modality] = knn.report
                collector.add_index(modality, knn, node, neighbour)
