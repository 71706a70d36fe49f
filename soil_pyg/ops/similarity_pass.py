import logging
import time
from dataclasses import asdict
from functools import partial
from typing import Any

from soil_pyg.ops.collector import MAX_ROWS, Collector, Features
from soil_pyg.ops.faiss_library import has_faiss_for, import_faiss
from soil_pyg.ops.knn import KNN
from soil_pyg.ops.matmul import matmul_precision, matmul_t, symmetric_rows
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.utils.engine import current_engine, map_blocks, running_engine
from soil_pyg.utils.progress import blocks

AGREEMENT_K = 10
"""The number of neighbours that are compared with those of full precision."""

AGREEMENT_SAMPLE = 256
"""The number of items whose neighbours are compared."""

logger = logging.getLogger("soil_pyg")


class SimilarityPass:
    r"""Computes the similarities of all items once, for all graphs that are built from them.

    .. math::
        S_m[i, j] = \mathbf{c}_{m,i}^{\top} \mathbf{c}_{m,j}

    (Eq. 1) in blocks of rows. Each block is multiplied once and handed to every
    :class:`~soil_pyg.ops.collector.Collector`. With an approximate index, one index per modality is
    built and searched instead, as it is on a GPU with FAISS where no collector takes more than the
    neighbours. The logger :obj:`"soil_pyg"` reports the choice, and :attr:`is_exact` keeps it.

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
        compute = partial(_compute, self.search_options.matmul_precision)
        with running_engine(engine):
            for collector in collectors:
                start, parts = time.perf_counter(), collector.parts()
                steps = (parts[step.start] for step in blocks(len(parts), 1, "comparing items"))
                found = map_blocks(compute, collector, steps, engine)
                for part, values in zip(parts, found, strict=True):
                    collector.keep(part, values)
                report = {"engine": engine, "index": "Flat", "parameters": "", "recall": 1.0}
                report["seconds"] = time.perf_counter() - start
                collector.report = {m: dict(report) for m in self.features}
        if self.search_options.matmul_precision != "highest":
            self._report_agreement(collectors)

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


def _compute(precision: str, collector: Collector, part: slice) -> Any:
    with matmul_precision(precision):
        return collector.compute(part)
