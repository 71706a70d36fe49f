"""The library FAISS, on tensors, with errors that name the argument :obj:`index`."""

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor

from soil_pyg.ops.index_error import index_error

GPU_MAX_K = 2048
"""The largest number of neighbours, and of probed lists, on a GPU."""


def has_faiss() -> bool:
    """Returns whether FAISS is installed."""
    return importlib.util.find_spec("faiss") is not None


def has_faiss_for(x: Tensor) -> bool:
    """Returns whether FAISS is installed and searches on the device of a tensor."""
    return has_faiss() and (not x.is_cuda or hasattr(import_faiss(), "StandardGpuResources"))


def import_faiss() -> Any:
    """Returns the module :mod:`faiss`, which takes tensors as well as arrays, or raises
    :class:`ImportError` if it is not installed.
    """
    try:
        import faiss
        import faiss.contrib.torch_utils
    except ImportError as error:
        raise ImportError(
            "FAISS is not installed: install the extra 'cpu', 'gpu' or 'gpu-cuvs' of soil-pyg, or "
            "compare all items by index='Flat' with use_faiss=False"
        ) from error
    return faiss


@contextmanager
def faiss_errors(index: str) -> Iterator[None]:
    """Turns the errors of FAISS and of its allocations into a :class:`ValueError`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # FAISS names its function and line, the condition that failed and, mostly, the reason.
        text = re.sub(r"^Error in .* at \S+:\d+: ?(Error: )?", "", str(error).partition("\n")[0])
        raise index_error(index, re.sub(r"^'.*?' failed: (?=.)", "", text)) from error


@cache
def gpu_resources() -> Any:
    """Returns the scratch memory and the streams of all searches on GPUs."""
    return import_faiss().StandardGpuResources()


def exact_search(x: Tensor, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Returns the values and ids of the largest inner products, without an index."""
    faiss = import_faiss()
    metric = faiss.METRIC_INNER_PRODUCT
    found: tuple[Tensor, Tensor]
    with faiss_errors("Flat"):
        if x.is_cuda:
            found = faiss.knn_gpu(gpu_resources(), query, x, k, metric=metric)
        else:
            found = faiss.knn(query, x, k, metric=metric)
    return found


def search_cagra(index: Any, query: Tensor, k: int, itopk_size: int) -> Tensor:
    """Returns the ids that a graph of cuVS finds by holding :obj:`itopk_size` candidates per query.

    The search of tensors by FAISS takes no parameters.
    """
    faiss = import_faiss()
    utils: Any = faiss.contrib.torch_utils
    values = torch.empty(query.size(0), k, device=query.device)
    ids = torch.empty_like(values, dtype=torch.long)
    parameters = faiss.SearchParametersCagra()
    parameters.itopk_size = itopk_size
    with faiss_errors("CAGRA"), utils.using_stream(index.getResources()):
        index.search_ex(
            query.size(0),
            utils.swig_ptr_from_FloatTensor(query),
            faiss.Float32,
            k,
            utils.swig_ptr_from_FloatTensor(values),
            utils.swig_ptr_from_IndicesTensor(ids),
            parameters,
        )
    return ids


def is_parsed(name: str) -> bool:
    """Returns whether FAISS, if it is installed, can parse an index factory string, whatever the
    channels and the candidates.
    """
    try:
        faiss = import_faiss()
    except ImportError:
        return True
    # The numbers do not matter to the parser, and large ones would take memory: 2^bits vectors for
    # the bits of a code, which follow an x.
    small = re.sub(r"(x?)(\d+)", lambda n: f"{n[1]}{min(int(n[2]), 8 if n[1] else 64)}", name)
    try:
        faiss.index_factory(64 * 60, small, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        return "could not parse" not in str(error)
    return True
