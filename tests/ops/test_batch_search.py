import pytest
import torch
from torch import Tensor

from soil_pyg.ops import batch_search as module
from soil_pyg.ops.batch_search import batch_search, is_batch
from soil_pyg.ops.faiss_index import FaissIndex

pytest.importorskip("faiss")


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("max_scores", [1, 500, 2**22])
@pytest.mark.parametrize("num_probes", [1, 5, 40])
def test_finds_what_faiss_finds(
    max_scores: int, num_probes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SCORES", max_scores)
    candidates, query = normal(900, 8), normal(300, 8, seed=1)
    index = FaissIndex(candidates, f"IVF40,Flat;nprobe={num_probes}").index
    for k in (1, 9, 300):
        expected, ids = index.search(query, k)
        values, found = batch_search(index, query, k)
        is_found = ids >= 0
        assert (found >= 0).equal(is_found)
        torch.testing.assert_close(values[is_found], expected[is_found])
        products = (query @ candidates.t()).gather(1, found.clamp(min=0))
        torch.testing.assert_close(products[is_found], expected[is_found])


def test_many_queries_are_a_batch() -> None:
    index = FaissIndex(normal(900, 8), "IVF40,Flat;nprobe=4").index
    assert not is_batch(index, normal(10 * module.QUERIES_PER_LIST - 1, 8))
    assert is_batch(index, normal(10 * module.QUERIES_PER_LIST, 8))
    for name in ("HNSW8", "IVF4,SQ8", "IVF4,Flat,RFlat"):
        assert not is_batch(FaissIndex(normal(900, 8), name).index, normal(5000, 8))
