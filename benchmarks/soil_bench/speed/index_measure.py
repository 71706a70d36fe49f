"""The measured work of an index, in a process of its own."""

import resource
from pathlib import Path
from typing import Any

import numpy as np
import torch

from soil_bench.runs.process import MEBIBYTE
from soil_bench.runs.results import Record
from soil_bench.speed.indexes import CONTESTANTS, K, Search
from soil_bench.speed.item_features import draw_features
from soil_bench.speed.measurement import Meter
from soil_pyg.ops.faiss_library import import_faiss
from soil_pyg.utils.files import atomic_path

SAMPLE = 2_000
"""The number of vectors whose neighbours are also found exactly."""
SAMPLE_ROWS = 100
TOLERANCE = 5e-6
"""The maximum difference of two equal scores in single precision because of rounding."""


def draw_vectors(
    path: str, source: str, num_items: int, channels: int, features: str | None
) -> None:
    """Stores unit vectors, a sample of them, and the score of each one's last exact neighbour."""
    x = draw_features(source, num_items, channels, 0, features)
    x = np.random.default_rng(0).permutation(x)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    size = min(SAMPLE, num_items)
    sample = np.random.default_rng(1).choice(num_items, size, replace=False)
    parts = np.array_split(sample, -(-size // SAMPLE_ROWS))
    scores = (x[part] @ x.T for part in parts)
    # Copied: a view would hold the whole block.
    bound = [np.partition(block, -K, axis=1)[:, -K].copy() for block in scores]
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, x=x, sample=sample, bound=np.concatenate(bound))


class Vectors:
    """Unit vectors whose exact neighbours are known for a sample."""

    def __init__(self, path: str) -> None:
        stored = np.load(path, allow_pickle=False)
        self.x, self.sample, self.bound = stored["x"], stored["sample"], stored["bound"]

    def recall(self, ids: np.ndarray) -> float:
        """Returns the share of exact neighbours among those of the sample, counting all ties."""
        ids = np.sort(ids, axis=1)
        known = ids >= 0
        known[:, 1:] &= ids[:, 1:] != ids[:, :-1]
        score = np.einsum("qkd,qd->qk", self.x[ids], self.x[self.sample])
        return float((known & (score >= self.bound[:, None] - TOLERANCE)).mean())


def race(
    vectors: str, contestant: str, settings: list[int], recalls: list[float], limit: float
) -> Record:
    """Measures the construction of an index and, at the smallest depth that reaches each recall on
    the sample, the search for the neighbours of all vectors.

    A search that would take longer than :obj:`limit` seconds is left out.
    """
    import_faiss().omp_set_num_threads(torch.get_num_threads())
    case = Vectors(vectors)
    entry = CONTESTANTS[contestant]
    with Meter() as meter:
        before = _cpu_seconds()
        search = entry.build(case.x, *settings)
        cpu_seconds = _cpu_seconds() - before
    result = meter.record() | {"cpu_seconds": cpu_seconds, "memory_mb": _resident_mb()}
    depths = list(entry.depths)
    searches: list[dict[str, Any]] = []
    for recall in recalls:
        depths, estimate = _reach(case, search, depths, recall)
        if not depths or estimate > limit:
            break
        if searches and searches[-1]["depth"] == depths[0]:
            searches.append(searches[-1] | {"wanted": recall})
            continue
        with Meter() as meter:
            before = _cpu_seconds()
            ids = search(slice(None), depths[0])[case.sample]
            cpu_seconds = _cpu_seconds() - before
        found = {"wanted": recall, "depth": depths[0], "recall": case.recall(ids)}
        searches.append(meter.record() | found | {"cpu_seconds": cpu_seconds})
    return result | {"searches": searches}


def _reach(
    case: Vectors, search: Search, depths: list[int], recall: float
) -> tuple[list[int], float]:
    # The depths from the first that reaches the recall on, and the seconds of a whole search.
    seconds = 0.0
    for number, depth in enumerate(depths):
        with Meter() as meter:
            found = case.recall(search(case.sample, depth))
        seconds = float(meter.record()["seconds"]) * len(case.x) / len(case.sample)
        if found >= recall:
            return depths[number:], seconds
    return [], seconds


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / MEBIBYTE
