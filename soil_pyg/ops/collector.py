from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from soil_pyg.ops.knn import KNN
from soil_pyg.ops.pairs import rank_among_equal_rows

MAX_ROWS = 512
"""The largest number of rows per block; larger products are not faster."""

Features = dict[str, tuple[Tensor, Tensor]]
"""Unit features of shape [num_items, channels] and the mask of the items that have them, by
modality.
"""


class Collector(ABC):
    """Gathers what a graph is built from while
    :class:`~soil_pyg.ops.similarity_pass.SimilarityPass` computes similarities.
    """

    features: Features
    """The unit features and the masks of the items that have them."""

    num_rows: int = 0
    """The number of values that are held per item of a block, beside its similarities."""

    num_neighbours: int = 0
    """The number of neighbours per item that an approximate search must find."""

    needs_rows: bool = True
    """Is set if an exact result takes all similarities, and not the neighbours alone."""

    def __init__(self) -> None:
        self.report: dict[str, dict[str, Any]] = {}
        """How each modality was searched: engine, index, parameters, recall and seconds."""
        self._eligible: dict[str, Tensor] = {}

    def eligible(self, modality: str, k: int) -> Tensor:
        """Returns the mask of the items that can be among the :obj:`k` best of any: those that have
        the modality, and of equal ones the first :obj:`k`, which must be the same in each call.
        """
        if modality not in self._eligible:
            c, has = self.features[modality]
            self._eligible[modality] = has & (rank_among_equal_rows(c) < k)
        return self._eligible[modality]

    @abstractmethod
    def add_block(self, block: slice, similarity: dict[str, Tensor]) -> None:
        """Takes a block of rows of the similarities: by modality, a matrix of shape
        :obj:`[block_size, num_items]`.
        """

    def parts(self) -> list[slice]:
        """Returns the blocks of items or users that :meth:`compute` takes."""
        raise NotImplementedError

    def compute(self, part: slice) -> Any:
        """Returns what the graph needs of a block, from the features alone."""
        raise NotImplementedError

    def keep(self, part: slice, found: Any) -> None:
        """Takes the result of :meth:`compute`."""
        raise NotImplementedError

    @abstractmethod
    def add_index(self, modality: str, knn: KNN, node: Tensor, neighbour: Tensor) -> None:
        """Takes the result of an approximate search: the items that have the modality, and their
        neighbours as positions in :obj:`node`, :obj:`-1` where fewer were found.
        """


def item_blocks(num_items: int) -> list[slice]:
    """Returns blocks of items that are compared with all others at once."""
    return [slice(n, min(n + MAX_ROWS, num_items)) for n in range(0, num_items, MAX_ROWS)]
