from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from soil_pyg.ranking.best_items import BestItems

Draw = Callable[..., Tensor]


def naive(user_emb: Tensor, item_emb: Tensor, masked: Tensor, k: int) -> list[list[int]]:
    exact = (user_emb.double() @ item_emb.double().t()).float().masked_fill(masked, -torch.inf)
    num_items, ranked = len(item_emb), []
    for row in exact.tolist():
        best = sorted(range(num_items), key=lambda item: (-row[item], item))[:k]
        ranked.append([item if row[item] > -torch.inf else num_items for item in best])
    return ranked


@pytest.mark.parametrize("noise", [0.0, 1e-6])
@pytest.mark.parametrize("k", [1, 4, 30, 99])
def test_rounding_does_not_decide(normal: Draw, noise: float, k: int) -> None:
    # Items in groups of equal ones and of ones that are as near as rounding.
    group = normal(6, 64)[torch.arange(30) % 6]
    item_emb = group * (1 + 3e-8 * torch.randint(0, 3, (30, 1)))
    user_emb = torch.cat([normal(8, 64, seed=1), torch.zeros(1, 64)])
    masked = normal(9, 30, seed=2) > 1.5
    masked[0] = True
    scores = (user_emb @ item_emb.t()).masked_fill(masked, -torch.inf)
    scores += noise * user_emb.norm(dim=1, keepdim=True) * normal(9, 30, seed=3).clamp(-1, 1)
    best, users = BestItems(user_emb, item_emb), torch.arange(9)
    expected = naive(user_emb, item_emb, masked, k)
    assert best.choose(scores, users, k).tolist() == expected
    values, items = best.rank(scores, users, k)
    assert items.tolist() == expected
    exact = (user_emb.double() @ item_emb.double().t()).float()
    exact = torch.cat([exact, torch.full((9, 1), -torch.inf)], dim=1)
    assert values.equal(exact.gather(1, items))
    some = torch.tensor([5, 2, 5])
    assert best.choose(scores[some], some, k).tolist() == [expected[user] for user in some]


def test_scores_without_rounding_are_taken_as_they_are(few_values: Draw) -> None:
    user_emb, item_emb = few_values(5, 3), few_values(9, 3, seed=1)
    scores, users = user_emb @ item_emb.t(), torch.arange(5)
    expected = BestItems(user_emb, item_emb).rank(scores, users, 4)
    for user, item in (
        (user_emb.to_sparse(), item_emb),
        (user_emb, item_emb.to_sparse()),
        (user_emb.double(), item_emb.double()),
    ):
        best = BestItems(user, item)
        assert best.tolerance(users).tolist() == [0.0] * 5
        for mine, other in zip(best.rank(scores, users, 4), expected, strict=True):
            assert mine.equal(other)


@pytest.mark.parametrize(("num_users", "num_items"), [(0, 3), (2, 0)])
def test_nothing_to_rank(num_users: int, num_items: int) -> None:
    user_emb, item_emb = torch.ones(num_users, 2), torch.ones(num_items, 2)
    best, users = BestItems(user_emb, item_emb), torch.arange(num_users)
    values, items = best.rank(user_emb @ item_emb.t(), users, 2)
    assert values.size() == items.size() == (num_users, min(2, num_items))
