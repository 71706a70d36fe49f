import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from soil_pyg.ops.inverted_lists import auto_index
from soil_pyg.ops.knn import KNN
from soil_pyg.ops.matmul import matmul_t, symmetric_rows
from soil_pyg.ops.pairs import rank_among_equal_rows
from soil_pyg.utils.checks import check_choice
from soil_pyg.utils.progress import blocks

MAX_ROWS = 512
"""More rows at a time would not be multiplied faster."""

AGREEMENT_K, AGREEMENT_SAMPLE = 10, 256
"""How many neighbours of how many items are compared with those of full precision."""

PRECISIONS = ("highest", "high", "medium")

Features = dict[str, tuple[Tensor, Tensor]]
"""For each modality unit features of shape [num_items, channels] and the items that have it."""

logger = logging.getLogger("soil_pyg")


class Collector(ABC):
    """What a graph needs of the similarities, gathered while :class:`SimilarityPass` makes them."""

    features: Features
    """The unit features, and the items that have them."""

    num_rows: int = 0
    """How much is held for each item of a block, beside its similarities."""

    num_neighbours: int = 0
    """How many neighbours of each item an approximate search must find."""

    def __init__(self) -> None:
        self.search: dict[str, dict[str, Any]] = {}
        """How each modality was searched: the index and, unless it is exact, the recall."""
        self._eligible: dict[str, Tensor] = {}

    def eligible(self, modality: str, k: int) -> Tensor:
        """Returns which items can be among the :obj:`k` best of any, as a mask: those that have the
        modality, of equal ones the first :obj:`k`.

        Args:
            modality (str): The modality.
            k (int): The same number in each call.
        """
        if modality not in self._eligible:
            c, has = self.features[modality]
            self._eligible[modality] = has & (rank_among_equal_rows(c) < k)
        return self._eligible[modality]

    @abstractmethod
    def add_block(self, block: slice, similarity: dict[str, Tensor]) -> None:
        """Takes some rows of the similarities, of shape :obj:`[block_size, num_items]` each."""

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


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Multiplies matrices of single precision in a block as torch does at that setting."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class SimilarityPass:
    r"""Makes the similarities of all items once, for all graphs that are built of them.

    .. math::
        S_m[i, j] = \mathbf{c}_{m,i}^{\top} \mathbf{c}_{m,j}

    (Eq. 1) in blocks of rows, each of which is multiplied once and handed to every
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
        matmul_precision (str, optional): How the blocks are multiplied, see
            :func:`torch.set_float32_matmul_precision`: :obj:`"high"` (TF32) and :obj:`"medium"`
            (bfloat16) are faster where the device has them. How many of the :obj:`10` nearest of
            some items are then still the nearest is logged and kept as :obj:`"agreement"`.
            (default: :obj:`"highest"`)

    Raises:
        ValueError: If :obj:`matmul_precision` is anything else.
    """

    def __init__(
        self,
        features: Features,
        index: str = "auto",
        memory_budget: int = 2**30,
        matmul_precision: str = "highest",
    ) -> None:
        check_choice("matmul_precision", matmul_precision, PRECISIONS)
        self.features = features
        self.memory_budget = memory_budget
        self.matmul_precision = matmul_precision
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
        held = (2 * len(self.features) + 4) * self.num_items
        held += 3 * sum(collector.num_rows for collector in collectors)
        # Half of the budget is left for what the collectors keep.
        shared = self.memory_budget // 8
        rows = max(1, min(MAX_ROWS, (self.memory_budget // 2 - shared) // (4 * held)))
        logger.info("%d items: compared exactly, %d at a time", self.num_items, rows)
        for collector in collectors:
            collector.search = {m: {"index": self.index} for m in self.features}
        if self.matmul_precision != "highest":
            self._report_agreement(collectors)
        budget = shared // len(self.features)
        rows_of = {m: symmetric_rows(c, rows, budget) for m, (c, _) in self.features.items()}
        for block in blocks(self.num_items, rows, "comparing items"):
            with matmul_precision(self.matmul_precision):
                similarity = {m: next(part) for m, part in rows_of.items()}
            for collector in collectors:
                collector.add_block(block, similarity)

    def _report_agreement(self, collectors: tuple[Collector, ...]) -> None:
        k = min(AGREEMENT_K, self.num_items)
        for modality, (c, has) in self.features.items():
            node = has.nonzero().view(-1)
            c = c[node]
            sample = c[:: max(1, node.numel() // AGREEMENT_SAMPLE)]
            nearest = []
            for precision in ("highest", self.matmul_precision):
                with matmul_precision(precision):
                    nearest.append(matmul_t(sample, c).topk(min(k, node.numel())).indices)
            same = (nearest[0].unsqueeze(2) == nearest[1].unsqueeze(1)).any(dim=2)
            agreement = float(same.float().mean()) if same.numel() > 0 else 1.0
            logger.info("%.4f of the nearest by %s agree", agreement, modality)
            found = {"precision": self.matmul_precision, "agreement": agreement}
            for collector in collectors:
                collector.search[modality] |= found

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
