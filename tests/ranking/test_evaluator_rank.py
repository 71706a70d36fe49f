from collections.abc import Callable
from math import log2

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ranking import evaluator
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.typing import INTERACTS, ITEM, USER

RandomData = Callable[..., HeteroData]


class Tables(torch.nn.Module):
    def __init__(self, user_emb: Tensor, item_emb: Tensor) -> None:
        super().__init__()
        self.user_emb, self.item_emb = user_emb, item_emb
        self.modes: list[tuple[bool, bool]] = []

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        self.modes.append((self.training, torch.is_grad_enabled()))
        return self.user_emb, self.item_emb


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def few_values(*size: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 3, size, generator=torch.Generator().manual_seed(seed)).float()


def naive_rank(scores: Tensor, data: HeteroData, user: int, k: int) -> list[int]:
    train = {i for u, i in data[INTERACTS].edge_index.t().tolist() if u == user}
    row = scores[user].tolist()
    items = [item for item in range(len(row)) if item not in train]
    return sorted(items, key=lambda item: (-row[item], item))[:k]


def test_blocks_keep_to_the_budget(
    random_data: RandomData, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []

    def topk(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
        rows.append(scores.size(0))
        return scores.topk(min(k, scores.size(1)))

    monkeypatch.setattr(evaluator, "topk", topk)
    data = random_data(num_users=30, num_items=40)
    model = Tables(normal(30, 2), normal(40, 2))
    Evaluator(memory_budget=16 * 40 * 7).evaluate(model, data)
    assert rows == [6] * 5


def test_a_user_with_few_candidates_gets_no_masked_item() -> None:
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = 2, 3
    data[INTERACTS].edge_index = torch.tensor([[0, 0, 1], [0, 2, 1]])
    data[INTERACTS].val_edge_label_index = torch.tensor([[0, 1], [1, 2]])
    user_emb, item_emb = torch.ones(2, 1), torch.tensor([[3.0], [2.0], [1.0]])
    ranker = Evaluator(ks=(5,))
    values, items = ranker.rank(user_emb, item_emb, data, torch.tensor([0, 1]), k=5)
    assert items.tolist() == [[1, 3, 3], [0, 2, 3]]
    assert values.tolist() == [[2.0, -np.inf, -np.inf], [3.0, 1.0, -np.inf]]
    # A masked item of user 0 would be a hit of user 1, whose items come next.
    metrics = ranker.evaluate(Tables(user_emb, item_emb), data)
    assert metrics["recall@5"] == 1.0
    assert metrics["precision@5"] == pytest.approx(0.2)
    assert metrics["ndcg@5"] == pytest.approx((1 + 1 / log2(3)) / 2)


def test_rank_for_any_users_in_any_order(random_data: RandomData) -> None:
    data = random_data(num_users=9)
    user_emb, item_emb = few_values(9, 3), few_values(40, 3, seed=1)
    users = torch.tensor([7, 0, 7, 3])
    values, items = Evaluator().rank(user_emb, item_emb, data, users, k=6)
    scores = user_emb @ item_emb.t()
    assert items.tolist() == [naive_rank(scores, data, user, 6) for user in users.tolist()]
    assert torch.equal(values, scores[users].gather(1, items))
    empty = Evaluator().rank(user_emb, item_emb, data, torch.tensor([], dtype=torch.long), k=6)
    assert empty[1].size() == (0, 6)


@pytest.mark.parametrize("user_sparse", [True, False])
@pytest.mark.parametrize("item_sparse", [True, False])
@pytest.mark.parametrize("memory_budget", [1, 2**30])
def test_sparse_embeddings(
    random_data: RandomData, user_sparse: bool, item_sparse: bool, memory_budget: int
) -> None:
    data = random_data()
    user_emb, item_emb = few_values(30, 40), few_values(40, 40, seed=1)
    user_emb[3], item_emb[5] = 0, 0
    dense = Evaluator().evaluate(Tables(user_emb, item_emb), data)
    sparse = Tables(
        user_emb.to_sparse() if user_sparse else user_emb,
        item_emb.to_sparse() if item_sparse else item_emb,
    )
    assert Evaluator(memory_budget=memory_budget).evaluate(sparse, data) == dense


def test_half_precision_is_scored_in_full(random_data: RandomData) -> None:
    data = random_data()
    user_emb, item_emb = normal(30, 4).half(), normal(40, 4, seed=1).half()
    values, _ = Evaluator().rank(user_emb, item_emb, data, torch.arange(30), 3)
    assert values.dtype == torch.float32
    full = Evaluator().rank(user_emb.float(), item_emb.float(), data, torch.arange(30), 3)
    assert torch.equal(values, full[0])


def test_wrong_k(random_data: RandomData) -> None:
    with pytest.raises(ValueError, match=r"'k' must be at least 1 \(got 0\)"):
        Evaluator().rank(normal(30, 4), normal(40, 4), random_data(), torch.arange(3), 0)
