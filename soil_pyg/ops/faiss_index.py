"""Indices of FAISS, whose errors name the argument :obj:`index`."""

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from soil_pyg.utils.checks import check_string

TRAINING_POINTS = 64
"""The number of vectors per list on which the centres of lists are trained."""

MAX_NUMBER = 2**16
"""The largest number in the name of an index that may exceed the number of candidates."""

FACTORY_STRING = r"[A-Za-z][\w(),.+\[\]-]*"
PARAMETERS = r"\w+=[\w.+-]+(,\w+=[\w.+-]+)*"

SMALLEST = {"HNSW": 2, "NSG": 2}
"""The numbers below which FAISS ends the process or does not return, by the name before them."""


def check_index(index: object) -> None:
    """Raises :class:`ValueError` unless an argument may name an index: FAISS ends the process for
    some numbers.
    """
    check_string("index", index)
    assert isinstance(index, str)
    if re.fullmatch(f"{FACTORY_STRING}(;{PARAMETERS})?", index, re.ASCII) is None:
        raise _error(index, "it is no name of an index, alone or with ';' and search parameters")
    for name, number in re.findall(r"([A-Za-z]*)(\d+(?:\.\d+)?)", index):
        smallest = SMALLEST.get(name, 1)
        if float(number) < smallest and not 0 < float(number) < 1:
            raise _error(index, f"the number {number} after '{name}' must be at least {smallest}")


def build_index(candidates: Tensor, index: str) -> Any:
    """Returns the FAISS index of candidates by its factory string.

    Raises:
        ImportError: If FAISS is not installed.
        ValueError: If FAISS has no such index, or cannot build it for the candidates.
    """
    faiss = import_faiss()
    limit = max(MAX_NUMBER, candidates.size(0))
    for number in re.findall(r"\d+", index):
        if int(number) > limit:
            raise _error(index, f"the number {number} must be at most {limit}")
    with faiss_errors(index):
        out = faiss.index_factory(candidates.size(1), index, faiss.METRIC_INNER_PRODUCT)
        if candidates.is_cuda:
            resources = faiss.StandardGpuResources()
            out = faiss.index_cpu_to_gpu(resources, candidates.device.index or 0, out)
        array = candidates.cpu().numpy()
        inverted = faiss.try_extract_index_ivf(out)
        if inverted is not None:
            inverted.cp.max_points_per_centroid = TRAINING_POINTS
        out.train(array)
        out.add(array)
    return out


def search_index(index: Any, name: str, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    r"""Returns the values and ids that a named index finds, :math:`-\infty` and :obj:`-1` where it
    finds fewer than :obj:`k`.
    """
    with faiss_errors(name):
        values, ids = index.search(query.cpu().numpy(), k)
    values, ids = torch.from_numpy(values).to(query), torch.from_numpy(ids).to(query.device)
    return values.masked_fill_(ids < 0, -torch.inf), ids


@contextmanager
def faiss_errors(index: str) -> Iterator[None]:
    """Turns the errors of FAISS and of its allocations into a :class:`ValueError`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # FAISS names its function and line, the condition that failed and, mostly, the reason.
        text = re.sub(r"^Error in .* at \S+:\d+: ?(Error: )?", "", str(error).partition("\n")[0])
        raise _error(index, re.sub(r"^'.*?' failed: (?=.)", "", text)) from error


def has_faiss() -> bool:
    """Returns whether FAISS is installed."""
    return importlib.util.find_spec("faiss") is not None


def import_faiss() -> Any:
    """Returns the module :mod:`faiss`, or raises :class:`ImportError` if it is not installed."""
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "FAISS is not installed: install the extra 'cpu' or 'gpu', or use index='Flat' with "
            "use_faiss=False"
        ) from error
    return faiss


def _error(index: str, reason: str) -> ValueError:
    return ValueError(
        "'index' must be 'auto', 'Flat', 'Lists' and a number, or a FAISS index factory string "
        f"that suits the candidates (got {index!r}: {reason})"
    )
