from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from soil_pyg.ranking import score_blocks as module
from soil_pyg.ranking.score_blocks import entries, score_blocks, sort_by_row

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), unique=True, max_size=20)
Draw = Callable[..., Tensor]
USERS = st.lists(st.integers(0, 4), max_size=8)


def whole(
    user_emb: Tensor, item_emb: Tensor, users: Tensor, mask: Tensor, memory_budget: int = 2**30
) -> tuple[Tensor, list[slice]]:
    blocks = score_blocks(user_emb, item_emb, users, mask, memory_budget)
    rows, scores = zip(*((rows, scores.clone()) for rows, scores in blocks), strict=True)
    return torch.cat(scores), list(rows)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pairs=PAIRS,
    users=USERS,
    sparse=st.tuples(st.booleans(), st.booleans()),
    memory_budget=st.sampled_from([1, 16 * 7 * 2, 2**30]),
)
def test_against_loops(
    few_values: Draw,
    pairs: list[tuple[int, int]],
    users: list[int],
    sparse: tuple[bool, bool],
    memory_budget: int,
) -> None:
    user_emb, item_emb = few_values(5, 3), few_values(7, 3, seed=1)
    user_emb[1], item_emb[2] = 0, 0
    expected = [
        [
            -torch.inf if (user, item) in pairs else float(user_emb[user] @ item_emb[item])
            for item in range(7)
        ]
        for user in users
    ]
    scores, rows = whole(
        user_emb.to_sparse() if sparse[0] else user_emb,
        item_emb.to_sparse() if sparse[1] else item_emb,
        torch.tensor(users, dtype=torch.long),
        torch.tensor(pairs, dtype=torch.long).view(-1, 2).t(),
        memory_budget,
    )
    assert scores.tolist() == expected
    assert [i for block in rows for i in range(len(users))[block]] == list(range(len(users)))


def test_blocks_are_of_even_size_within_the_budget(few_values: Draw) -> None:
    mask = torch.empty(2, 0, dtype=torch.long)
    emb = few_values(40, 2)
    scores, rows = whole(emb, emb, torch.arange(40), mask, memory_budget=16 * 40 * 7)
    assert [block.stop for block in rows] == [7, 14, 21, 28, 34, 40]
    assert torch.equal(scores, emb @ emb.t())


def test_blocks_of_many_items_have_32_users_on_a_cpu() -> None:
    user_emb, item_emb = torch.ones(70, 1), torch.ones(2**17, 1)
    blocks = score_blocks(user_emb, item_emb, torch.arange(70), torch.empty(2, 0).long())
    assert [len(scores) for _, scores in blocks] == [24, 23, 23]


def test_blocks_and_threads_change_no_more_than_the_rounding(threads: None) -> None:
    generator = torch.Generator().manual_seed(0)
    user_emb, item_emb = (torch.randn(n, 64, generator=generator) for n in (300, 500))
    mask = torch.empty(2, 0, dtype=torch.long)
    expected = user_emb @ item_emb.t()
    for num_rows in (1, 20, 64, 1000):
        scores, _ = whole(user_emb, item_emb, torch.arange(300), mask, 16 * 500 * num_rows)
        torch.testing.assert_close(scores, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.float64])
def test_types(few_values: Draw, dtype: torch.dtype) -> None:
    emb = few_values(4, 2).to(dtype)
    scores, _ = whole(emb, emb, torch.arange(4), torch.tensor([[0], [1]]))
    assert scores.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert scores[0, 1] == -torch.inf
    assert scores[3].tolist() == (emb[3].double() @ emb.double().t()).tolist()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e38])
@pytest.mark.parametrize("sparse", [True, False])
def test_scores_that_may_not_be_finite(value: float, sparse: bool) -> None:
    user_emb, item_emb = torch.full((3, 2), 4.0), torch.ones(5, 2)
    item_emb[4, 1] = value
    if sparse:
        item_emb = item_emb.to_sparse()
    blocks = score_blocks(user_emb, item_emb, torch.arange(3), torch.tensor([[0], [1]]))
    with pytest.raises(FloatingPointError):
        next(blocks)


def test_nothing_requires_a_gradient() -> None:
    emb = torch.ones(3, 2, requires_grad=True)
    scores, _ = whole(emb, emb, torch.arange(3), torch.tensor([[0], [1]]))
    assert not scores.requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("users", "name"),
    [
        *((torch.tensor([[0]]), "users"), (torch.tensor([0.0]), "users")),
        *((torch.tensor([True]), "users"), (torch.tensor([1, 3]), "users")),
        (torch.tensor([1, -1]), "users"),
    ],
)
def test_wrong_users(users: Tensor, name: str) -> None:
    emb = torch.ones(3, 2)
    with pytest.raises(ValueError, match=f"'{name}'"):
        next(score_blocks(emb, emb, users, torch.empty(2, 0).long()))


@pytest.mark.parametrize(
    ("user_emb", "item_emb"),
    [
        *((torch.ones(3, 2), torch.ones(3, 1)), (torch.ones(3), torch.ones(3, 3))),
        *((torch.ones(3, 2), torch.ones(2)), (torch.ones(3, 2, 1), torch.ones(3, 2, 1))),
    ],
)
def test_embeddings_that_do_not_match(user_emb: Tensor, item_emb: Tensor) -> None:
    with pytest.raises(ValueError, match="'user_emb' and 'item_emb'"):
        next(score_blocks(user_emb, item_emb, torch.tensor([0]), torch.empty(2, 0).long()))


@pytest.mark.parametrize("pairs_per_block", [1, 2, 100])
def test_pairs_in_the_order_of_the_rows(
    monkeypatch: pytest.MonkeyPatch, pairs_per_block: int
) -> None:
    monkeypatch.setattr(module, "PAIRS_PER_BLOCK", pairs_per_block)
    ascending = torch.tensor([[0, 1, 1, 4], [3, 5, 2, 0]])
    assert sort_by_row(ascending) is ascending
    shuffled = torch.tensor([[1, 0, 4, 1], [5, 3, 0, 2]])
    assert sort_by_row(shuffled).equal(ascending)
    row, index = entries(ascending[0], torch.tensor([1, 3, 0]))
    assert (row.tolist(), index.tolist()) == ([0, 0, 2], [1, 2, 0])


def test_scores_of_more_channels_than_items_may_not_be_finite() -> None:
    user_emb, item_emb = torch.full((1, 64), 1e19), torch.full((2, 64), 1e18)
    with pytest.raises(FloatingPointError):
        next(score_blocks(user_emb, item_emb, torch.arange(1), torch.empty(2, 0).long()))
    # A sum over many items is none of theirs.
    item_emb = torch.full((1000, 2), 1e18)
    user_emb = torch.full((1, 2), 1e17)
    next(score_blocks(user_emb, item_emb, torch.arange(1), torch.empty(2, 0).long()))
