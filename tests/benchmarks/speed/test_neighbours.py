from importlib import import_module
from pathlib import Path

import pytest
import torch

from soil_bench.speed.contest import Contestant
from soil_bench.speed.neighbours import (
    CASES,
    CONTESTANTS,
    QUICK_CASES,
    Case,
    K,
    Vectors,
    draw,
    tiny,
)


@pytest.fixture(scope="module")
def case() -> Case:
    return draw(QUICK_CASES[0], seed=1)


@pytest.mark.parametrize("contestant", CONTESTANTS, ids=lambda contestant: contestant.name)
def test_every_library_finds_the_neighbours(
    contestant: Contestant, case: Case, tmp_path: Path
) -> None:
    reason = contestant.why_absent("cpu", tmp_path)
    if reason is not None:
        pytest.skip(reason)
    library = import_module(contestant.package)
    tasks = contestant.make(library, case)
    assert list(tasks) == ["search"]
    recall = case.recall("search", tasks["search"]())
    assert recall == 1.0 if contestant.is_exact else recall > 0.9


def test_vectors(case: Case) -> None:
    assert case.tensors["candidates"].size() == (300, 16)
    assert torch.equal(case.tensors["query"], case.tensors["candidates"][:100])
    assert torch.allclose(case.tensors["candidates"].norm(dim=1), torch.ones(300))
    again = draw(QUICK_CASES[0], seed=1)
    assert torch.equal(again.tensors["candidates"], case.tensors["candidates"])


def test_recall_counts_distinct_neighbours_and_accepts_ties() -> None:
    # 12 candidates score 1, of which any 10 are right, and one scores 0.
    candidates = torch.tensor([[1.0, 0.0]] * 12 + [[0.0, 1.0]])
    case = Case(Vectors("ties", 13, 1, 2), {"candidates": candidates, "query": candidates[:1]})
    ids = torch.arange(K).view(1, -1)
    assert case.recall("search", ids) == 1.0
    assert case.recall("search", ids.flip(1) + 2) == 1.0
    assert case.recall("search", ids + 3) == 0.9
    assert case.recall("search", ids.clamp(max=7)) == 0.8
    assert case.recall("search", ids - 2) == 0.8
    assert case.recall("search", ids + 10) == 0.2
    assert case.recall("search", ids[:, 1:]) == 0.0


def test_names() -> None:
    assert [contestant.name for contestant in CONTESTANTS if contestant.is_exact] == [
        "soil_pyg with FAISS",
        "soil_pyg without FAISS",
        "FAISS flat",
        "torch blocks",
        "scikit-learn",
    ]
    approximate = [contestant.name for contestant in CONTESTANTS if not contestant.is_exact]
    assert approximate == ["FAISS IVF", "FAISS HNSW", "hnswlib"]
    assert [case.num_candidates for case in CASES] == [7_050, 50_000]
    assert tiny(vars(CASES[0])).num_candidates == 300
