from collections.abc import Callable
from math import log2
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.typing import INTERACTS, ITEM, USER

Draw = Callable[..., Tensor]
Tables = Callable[[Tensor, Tensor], Any]


def test_a_user_with_few_candidates_gets_no_masked_item(tables: Tables) -> None:
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
    metrics = ranker.evaluate(tables(user_emb, item_emb), data)
    assert metrics["recall@5"] == 1.0
    assert metrics["precision@5"] == pytest.approx(0.2)
    assert metrics["ndcg@5"] == pytest.approx((1 + 1 / log2(3)) / 2)


def test_rank_for_any_users_in_any_order(data: HeteroData, few_values: Draw) -> None:
    user_emb, item_emb = few_values(30, 3), few_values(40, 3, seed=1)
    users = torch.tensor([7, 0, 7, 3])
    values, items = Evaluator().rank(user_emb, item_emb, data, users, k=6)
    scores, pairs = user_emb @ item_emb.t(), data[INTERACTS].edge_index.t().tolist()
    for user, ranked in zip(users.tolist(), items.tolist(), strict=True):
        candidates = [item for item in range(40) if [user, item] not in pairs]
        row = scores[user].tolist()
        assert ranked == sorted(candidates, key=lambda item: (-row[item], item))[:6]
    assert torch.equal(values, scores[users].gather(1, items))
    empty = Evaluator().rank(user_emb, item_emb, data, torch.tensor([], dtype=torch.long), k=6)
    assert empty[1].size() == (0, 6)


@pytest.mark.parametrize("user_sparse", [True, False])
@pytest.mark.parametrize("item_sparse", [True, False])
@pytest.mark.parametrize("memory_budget", [1, 2**30])
def test_sparse_embeddings(
    data: HeteroData,
    tables: Tables,
    few_values: Draw,
    user_sparse: bool,
    item_sparse: bool,
    memory_budget: int,
) -> None:
    user_emb, item_emb = few_values(30, 40), few_values(40, 40, seed=1)
    user_emb[3], item_emb[5] = 0, 0
    dense = Evaluator().evaluate(tables(user_emb, item_emb), data)
    sparse = tables(
        user_emb.to_sparse() if user_sparse else user_emb,
        item_emb.to_sparse() if item_sparse else item_emb,
    )
    assert Evaluator(memory_budget=memory_budget).evaluate(sparse, data) == dense


def test_half_precision_is_scored_in_full(data: HeteroData, normal: Draw) -> None:
    user_emb, item_emb = normal(30, 4).half(), normal(40, 4, seed=1).half()
    values, _ = Evaluator().rank(user_emb, item_emb, data, torch.arange(30), 3)
    assert values.dtype == torch.float32
    full = Evaluator().rank(user_emb.float(), item_emb.float(), data, torch.arange(30), 3)
    assert torch.equal(values, full[0])


@pytest.mark.parametrize(
    ("name", "got", "shown"),
    [
        *(("k", got, repr(got)) for got in (0, -1, 1.5, True, None, float("nan"))),
        ("users", torch.tensor([30]), "30"),
        ("users", torch.tensor([-1]), "-1"),
        ("users", torch.tensor([1.0]), "torch.float32"),
        ("users", torch.tensor([[1]]), "torch.int64"),
        ("item_emb", torch.ones(40, 5), r"\(30, 4\) and \(40, 5\)"),
        ("item_emb", torch.ones(40), r"\(30, 4\) and \(40,\)"),
    ],
)
def test_wrong_arguments(data: HeteroData, name: str, got: Any, shown: str) -> None:
    arguments = {"user_emb": torch.ones(30, 4), "item_emb": torch.ones(40, 4), "data": data}
    arguments |= {"users": torch.arange(3), "k": 2, name: got}
    with pytest.raises(ValueError, match=rf"'{name}'.*\(got {shown}\)"):
        Evaluator().rank(**arguments)
