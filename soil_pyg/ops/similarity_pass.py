import logging
import time
from abc import ABC, abstractmethod
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch_geometric.utils import cumsum

from soil_pyg.ops.faiss_library import has_faiss_for, import_faiss
from soil_pyg.ops.knn import KNN
from soil_pyg.ops.matmul import matmul_precision, matmul_t, symmetric_rows
from soil_pyg.ops.pairs import exact_cosine, rank_among_equal_rows
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.ops.topk import ROUNDING, topk_rescored
from soil_pyg.utils.engine import current_engine, map_blocks
from soil_pyg.utils.progress import blocks

MAX_ROWS = 512
"""The largest number of rows per block; larger products are not faster."""

AGREEMENT_K = 10
"""The number of neighbours that are compared with those of full precision."""

AGREEMENT_SAMPLE = 256
"""The number of items whose neighbours are compared."""

Features = dict[str, tuple[Tensor, Tensor]]
"""Unit features of shape [num_items, channels] and the mask of the items that have them, by
modality.
"""

logger = logging.getLogger("soil_pyg")


class Collector(ABC):
    """Gathers what a graph is built from while :class:`SimilarityPass` computes similarities."""

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


class NearestItems(Collector):
    r"""Gathers the :math:`k` most similar items of each item per modality (Eq. 9), chosen by
    (value, id).
    """

    needs_rows = False

    def __init__(self, features: Features, k: int) -> None:
        super().__init__()
        self.features = features
        self.num_neighbours = k
        # Allocated at once: results kept per block between temporaries would fragment the heap.
        size, device = self._size(), next(iter(features.values()))[0].device
        self._column = {m: torch.full(size, -1, dtype=torch.int32, device=device) for m in features}

    def parts(self) -> list[slice]:
        """Returns blocks of items."""
        return item_blocks(self._size()[0])

    def compute(self, part: slice) -> dict[str, Tensor]:
        """Returns the neighbours of a block of items."""
        similarity = {m: matmul_t(c[part], c) for m, (c, _) in self.features.items()}
        return self._nearest(part, similarity)

    def keep(self, part: slice, found: dict[str, Tensor]) -> None:
        """Takes the neighbours of a block of items."""
        for modality, (_, has) in self.features.items():
            self._column[modality][part][has[part]] = found[modality]

    def _size(self) -> tuple[int, int]:
        num_items = next(iter(self.features.values()))[0].size(0)
        return num_items, min(self.num_neighbours, num_items)

    def add_block(self, block: slice, similarity: dict[str, Tensor]) -> None:
        """Takes a block of rows of the similarities."""
        self.keep(block, self._nearest(block, similarity))

    def _nearest(self, block: slice, similarity: dict[str, Tensor]) -> dict[str, Tensor]:
        # The neighbours of the items of a block that have the modality.
        found = {}
        for modality, (_, has) in self.features.items():
            eligible = self.eligible(modality, self.num_neighbours)
            node = has[block].nonzero().view(-1)
            scores = similarity[modality]
            if not eligible.all():
                scores = scores[node]
                scores[:, ~eligible] = -torch.inf
            found[modality] = self._choose(modality, node + block.start, scores)
        return found

    def _choose(self, modality: str, node: Tensor, scores: Tensor) -> Tensor:
        c = self.features[modality][0]
        rescore = partial(_cosine_of_rows, c, node)
        tolerance = torch.full((node.numel(),), ROUNDING, device=c.device)
        k = self._size()[1]
        column = topk_rescored(scores, k, tolerance, rescore, ordered=False)[1]
        return column.sort(dim=1).values.int()

    def add_index(self, modality: str, knn: KNN, node: Tensor, neighbour: Tensor) -> None:
        """Takes the result of an approximate search."""
        neighbour = neighbour[:, : self.num_neighbours].long()
        column = node[neighbour].masked_fill(neighbour < 0, -1).sort(dim=1).values
        self._column[modality][node, : column.size(1)] = column.int()

    def pairs(self, modality: str) -> tuple[Tensor, Tensor]:
        """Returns the neighbours of all items as compressed rows, ascending, and removes them."""
        column = self._column.pop(modality)
        found = column >= 0
        return cumsum(found.sum(dim=1)), column[found].long()


class SimilarityPass:
    r"""Computes the similarities of all items once, for all graphs that are built from them.

    .. math::
        S_m[i, j] = \mathbf{c}_{m,i}^{\top} \mathbf{c}_{m,j}

    (Eq. 1) in blocks of rows. Each block is multiplied once and handed to every
    :class:`Collector`. With an approximate index, one index per modality is built and searched
    instead; on a GPU with FAISS so are neighbours that nobody needs more than. The choice is logged
    as :obj:`"soil_pyg"` and kept in :attr:`is_exact`.

    With a lower :obj:`matmul_precision`, the share of the nearest items of a sample that remain the
    nearest is logged and reported as :obj:`"agreement"`.
    """

    def __init__(self, features: Features, search_options: SearchOptions | None = None) -> None:
        self.features = features
        self.num_items = next(iter(features.values()))[0].size(0)
        self.search_options = search_options or SearchOptions()
        self.is_exact = self.search_options.is_exact(self.num_items)
        if not self.is_exact:
            import_faiss()

    def run(self, *collectors: Collector) -> None:
        """Fills the collectors."""
        c = next(iter(self.features.values()))[0]
        by_gpu = c.is_cuda and has_faiss_for(c) and not any(x.needs_rows for x in collectors)
        if self.is_exact and current_engine() != "local":
            self._distribute(collectors, current_engine())
        elif self.is_exact and not by_gpu:
            self._compare(collectors)
        else:
            self._search(collectors)

    def _compare(self, collectors: tuple[Collector, ...]) -> None:
        options = self.search_options
        held = (2 * len(self.features) + 4) * self.num_items
        held += 3 * sum(collector.num_rows for collector in collectors)
        # Half of the budget is left for what the collectors keep.
        shared = options.memory_budget // 8
        rows = max(1, min(MAX_ROWS, (options.memory_budget // 2 - shared) // (4 * held)))
        logger.info("%d items: compared exactly, %d at a time", self.num_items, rows)
        exact = {"engine": "torch", "index": "Flat", "parameters": "", "recall": 1.0}
        for collector in collectors:
            collector.report = {m: dict(exact) for m in self.features}
        start = time.perf_counter()
        if options.matmul_precision != "highest":
            self._report_agreement(collectors)
        budget = shared // len(self.features)
        rows_of = {m: symmetric_rows(c, rows, budget) for m, (c, _) in self.features.items()}
        for block in blocks(self.num_items, rows, "comparing items"):
            with matmul_precision(options.matmul_precision):
                similarity = {m: next(part) for m, part in rows_of.items()}
            for collector in collectors:
                collector.add_block(block, similarity)
        for collector in collectors:
            for report in collector.report.values():
                report["seconds"] = time.perf_counter() - start

    def _distribute(self, collectors: tuple[Collector, ...], engine: str) -> None:
        for collector in collectors:
            start, parts = time.perf_counter(), collector.parts()
            steps = (parts[step.start] for step in blocks(len(parts), 1, "comparing items"))
            for part, found in zip(
                parts, map_blocks(_compute, collector, steps, engine), strict=True
            ):
                collector.keep(part, found)
            report = {"engine": engine, "index": "Flat", "parameters": "", "recall": 1.0}
            report["seconds"] = time.perf_counter() - start
            collector.report = {m: dict(report) for m in self.features}

    def _report_agreement(self, collectors: tuple[Collector, ...]) -> None:
        lower = self.search_options.matmul_precision
        for modality, (c, has) in self.features.items():
            c = c[has]
            k = min(AGREEMENT_K, c.size(0))
            sample = c[:: max(1, c.size(0) // AGREEMENT_SAMPLE)]
            nearest = []
            for precision in ("highest", lower):
                with matmul_precision(precision):
                    nearest.append(matmul_t(sample, c).topk(k).indices)
            same = (nearest[0].unsqueeze(2) == nearest[1].unsqueeze(1)).any(dim=2)
            agreement = float(same.float().mean()) if same.numel() > 0 else 1.0
            logger.info("%.4f of the nearest by %s agree", agreement, modality)
            for collector in collectors:
                collector.report[modality] |= {"precision": lower, "agreement": agreement}

    def _search(self, collectors: tuple[Collector, ...]) -> None:
        options = asdict(self.search_options) | ({"index": "Flat"} if self.is_exact else {})
        wanted = [c.num_neighbours for c in collectors if c.num_neighbours > 0]
        for modality, (c, has) in self.features.items():
            start = time.perf_counter()
            node = has.nonzero().view(-1)
            c = c if node.numel() == self.num_items else c[has]
            knn = KNN(c, **options)
            logger.info("%d items: searched with %s", self.num_items, knn.report.get("index"))
            neighbour = node[:0]
            if wanted:
                knn.tune(c, min(wanted))
                neighbour = knn.find(c, max(wanted)).int()
            report = knn.report | {"seconds": time.perf_counter() - start}
            for collector in collectors:
                collector.report[modality] = dict(report)
                collector.add_index(modality, knn, node, neighbour)


def item_blocks(num_items: int) -> list[slice]:
    """Returns blocks of items that are compared with all others at once."""
    return [slice(n, min(n + MAX_ROWS, num_items)) for n in range(0, num_items, MAX_ROWS)]


def _compute(collector: Collector, part: slice) -> Any:
    return collector.compute(part)


def _cosine_of_rows(c: Tensor, node: Tensor, row: Tensor, column: Tensor) -> Tensor:
    return exact_cosine(c, node[row], column)
