from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ranking import tables as module
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.ranking.item_index import ItemIndex
from soil_pyg.ranking.tables import LINE_BYTES, Ranking
from soil_pyg.typing import INTERACTS

Draw = Callable[..., Tensor]


@pytest.fixture
def ranking(few_values: Draw) -> Ranking:
    """12 users, 9 items and many ties; user 4 has seen all items except two, user 5 all items."""
    generator = torch.Generator().manual_seed(2)
    seen = torch.rand(12, 9, generator=generator) < 0.3
    seen[4], seen[4, [2, 7]], seen[5] = True, False, True
    return Ranking(
        query_emb=few_values(12, 3),
        item_emb=few_values(9, 3, seed=1),
        queries=torch.tensor([7, 4, 0, 5, 11]),
        mask_index=seen.nonzero().t(),
        query_id=np.arange(12) * 100,
        item_id=np.array([f"i{i}" for i in range(9)]),
    )


def naive(ranking: Ranking, k: int, items: list[int] | None = None) -> pd.DataFrame:
    scores = (ranking.query_emb @ ranking.item_emb.t()).tolist()
    masked = set(map(tuple, ranking.mask_index.t().tolist()))
    rows = []
    for user in ranking.queries.tolist():
        candidates = [i for i in items or range(9) if (user, i) not in masked]
        best = sorted(candidates, key=lambda i: (-scores[user][i], i))[:k]
        rows += [(user * 100, rank, f"i{i}", scores[user][i]) for rank, i in enumerate(best, 1)]
    return pd.DataFrame(rows, columns=["user", "rank", "item", "score"])


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


@pytest.mark.parametrize("k", [1, 3, 9, 20])
@pytest.mark.parametrize("memory_budget", [1, 2**12, 2**30])
def test_frames(ranking: Ranking, k: int, memory_budget: int) -> None:
    frames = list(ranking.frames(k, memory_budget))
    assert_same(pd.concat(frames, ignore_index=True), naive(ranking, k))
    assert list(frames[0].columns) == ["user", "rank", "item", "score"]


def test_frames_are_the_ranking_of_the_evaluator(ranking: Ranking) -> None:
    data = HeteroData()
    data[INTERACTS].edge_index = ranking.mask_index
    score, item = Evaluator().rank(ranking.query_emb, ranking.item_emb, data, ranking.queries, k=4)
    (frame,) = ranking.frames(4)
    found = score > -torch.inf
    assert frame["item"].tolist() == [f"i{i}" for i in item[found].tolist()]
    assert frame["score"].tolist() == score[found].tolist()


def test_restricted_to_some_candidates(ranking: Ranking) -> None:
    some = ranking.restricted_to(torch.tensor([1, 2, 7]))
    with pytest.raises(FrozenInstanceError):
        some.columns = ("item", "similar")  # type: ignore[misc]
    assert some.item_id.tolist() == ["i1", "i2", "i7"]
    (frame,) = some.frames(2)
    assert_same(frame, naive(ranking, 2, [1, 2, 7]))


def test_sparse_embeddings(ranking: Ranking) -> None:
    emb = {name: getattr(ranking, name).to_sparse() for name in ("query_emb", "item_emb")}
    (frame,) = replace(ranking, **emb).restricted_to(torch.arange(9)).frames(3)
    assert_same(frame, naive(ranking, 3))


@pytest.mark.parametrize(("queries", "candidates"), [([], range(9)), ([1, 2], [])])
def test_an_empty_table_has_the_same_columns(
    ranking: Ranking, queries: list[int], candidates: list[int]
) -> None:
    (some,) = ranking.frames(3)
    chosen = torch.tensor(list(candidates), dtype=torch.long)
    empty = replace(ranking, queries=torch.tensor(queries, dtype=torch.long))
    (frame,) = empty.restricted_to(chosen).frames(3)
    assert len(frame) == 0
    assert frame.dtypes.to_dict() == some.dtypes.to_dict()


def test_blocks_follow_the_budget(few_values: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_QUERIES", 10**9)
    num_users, k = 500, 4
    ranking = Ranking(
        few_values(num_users, 2),
        few_values(50, 2, seed=1),
        torch.arange(num_users),
        torch.empty(2, 0, dtype=torch.long),
        np.arange(num_users),
        np.arange(50),
    )
    rows = [len(frame) for frame in ranking.frames(k, memory_budget=2 * LINE_BYTES * k * 60)]
    assert rows == [60 * k] * 8 + [20 * k]
    budgets = []

    class Spy(Evaluator):
        def __init__(self, memory_budget: int) -> None:
            budgets.append(memory_budget)
            super().__init__(memory_budget=memory_budget)

    monkeypatch.setattr(module, "Evaluator", Spy)
    list(ranking.frames(k, memory_budget=10**6))
    assert set(budgets) == {5 * 10**5}


@pytest.mark.parametrize("name", ["k", "memory_budget"])
def test_arguments_out_of_range(
    ranking: Ranking, refused: Callable[[str, object], AbstractContextManager[object]], name: str
) -> None:
    with refused(name, 0):
        ranking.frames(**{"k": 3, name: 0})


def test_the_digest_follows_what_the_tables_depend_on(ranking: Ranking) -> None:
    def digest(k: int = 3, memory_budget: int = 2**30, **changes: Any) -> str:
        return replace(ranking, **changes).digest(k, memory_budget)

    query, item, mask = ranking.query_emb, ranking.item_emb, ranking.mask_index
    same = [digest(), digest(query_emb=query.clone()), digest(item_id=ranking.item_id[::-1])]
    assert len(set(same)) == 1
    other = query.clone()
    other[2, 1] += 1
    changed = [
        *(digest(k=2), digest(memory_budget=1), digest(queries=ranking.queries.flip(0))),
        *(digest(mask_index=mask[:, 1:]), digest(query_emb=other), digest(item_emb=item * 2)),
        digest(query_emb=query.view(9, 4), item_emb=item),
    ]
    assert len({same[0], *changed}) == 1 + len(changed)
    # An approximate index finds other items, and another one finds others again.
    kinds = [{"index": "IVF4,Flat", "recall": recall} for recall in (0.95, 0.96)]
    approximate = [digest(index=ItemIndex(None, kind)) for kind in kinds]
    assert len({same[0], *approximate}) == 3
    assert digest(index=ItemIndex(None, {"index": "Flat", "recall": 1.0})) == same[0]
    assert digest(query_emb=query.to_sparse()) == digest(query_emb=query.to_sparse().coalesce())
