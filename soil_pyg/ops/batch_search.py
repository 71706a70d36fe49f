from typing import Any

import torch
from torch import Tensor

from soil_pyg.ops.faiss_library import import_faiss
from soil_pyg.ops.matmul import matmul_t, matmul_t_rows
from soil_pyg.ops.ragged import index2ptr

QUERIES_PER_LIST = 16
"""The number of queries per list from which a batch is faster than query after query."""

MAX_SCORES = 2**22
"""The largest number of scores that are held at a time."""


def add_to_lists(index: Any, x: Tensor) -> None:
    """Adds vectors to an inverted file of FAISS on a CPU."""
    swig_ptr = import_faiss().swig_ptr
    nearest = _nearest_lists(index, x, 1).view(-1)
    index.add_core(x.size(0), swig_ptr(x.numpy()), None, swig_ptr(nearest.numpy()))


def is_lists(index: Any) -> bool:
    """Returns whether an index is an inverted file of whole vectors on a CPU."""
    return type(index) is import_faiss().IndexIVFFlat


def is_batch(index: Any, query: Tensor) -> bool:
    """Returns whether :func:`batch_search` is faster than FAISS, given many queries in lists."""
    return is_lists(index) and query.size(0) * index.nprobe >= QUERIES_PER_LIST * index.nlist


def batch_search(index: Any, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Returns the values and ids that an inverted file of FAISS finds, :obj:`-1` where these are
    fewer than :obj:`k`.

    All queries that probe a list are multiplied with it at once, in place of a scan per query; the
    heap of FAISS keeps the best. FAISS has the same way in its contributions, which print, and hold
    all scores of a list.
    """
    faiss = import_faiss()
    heap = faiss.ResultHeap(query.size(0), k, keep_max=True)
    probe = _nearest_lists(index, query, index.nprobe).view(-1)
    # Small integers are sorted several times faster.
    small = torch.int16 if index.nlist < 2**15 else torch.int32
    order = torch.argsort(probe.to(small), stable=True)
    begin = index2ptr(probe, index.nlist).tolist()
    row = order // index.nprobe
    for number in range(index.nlist):
        size = index.invlists.list_size(number)
        rows = row[begin[number] : begin[number + 1]]
        if size == 0 or rows.numel() == 0:
            continue
        ids = faiss.rev_swig_ptr(index.invlists.get_ids(number), size)
        codes = faiss.rev_swig_ptr(index.invlists.get_codes(number), size * index.code_size)
        vectors = torch.from_numpy(codes.view("float32").reshape(size, -1))
        every = torch.arange(size)
        for part in rows.split(max(1, MAX_SCORES // size)):
            scores = matmul_t_rows(query, part, vectors, every)
            heap.add_result_subset(part.numpy(), scores.numpy(), ids)
    heap.finalize()
    return torch.from_numpy(heap.D), torch.from_numpy(heap.I)


def _nearest_lists(index: Any, query: Tensor, num_probes: int) -> Tensor:
    # The products of torch take half of the time of those of FAISS.
    centre = index.quantizer.reconstruct_n(0, index.nlist)
    parts = torch.split(query, max(1, MAX_SCORES // index.nlist))
    return torch.cat([matmul_t(part, centre).topk(num_probes).indices for part in parts])
