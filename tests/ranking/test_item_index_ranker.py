import torch
from torch import Tensor

from soil_pyg.ranking.item_index import ENTRY_BYTES, IndexRanker, ItemIndex


class Fake(ItemIndex):
    """An index that finds every item except item 2."""

    def __init__(self, item_emb: Tensor) -> None:
        self.item_emb = item_emb
        self.calls: list[tuple[int, int]] = []

    def search(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        self.calls.append((len(query), k))
        scores = query @ self.item_emb.t()
        scores[:, 2] = -torch.inf
        values, ids = scores.topk(k)
        return values, ids.masked_fill(values == -torch.inf, -1)


def test_masked_items_are_left_out_and_ties_are_broken_by_the_smaller_index() -> None:
    item_emb = torch.tensor([[1.0], [3.0], [9.0], [1.0], [2.0], [1.0]])
    mask_index = torch.tensor([[1, 1, 0], [4, 1, 3]])
    index = Fake(item_emb)
    ranker = IndexRanker(index, torch.ones(3, 1), mask_index, num_items=6, memory_budget=2**20)
    score, item = ranker.rank(torch.tensor([2, 1, 0]), k=3)
    assert item[0].tolist() == [1, 4, 0]
    assert item[1].tolist() == [0, 3, 5]
    assert score.tolist() == [[3, 2, 1], [1, 1, 1], [3, 2, 1]]
    assert item[2].tolist() == [1, 4, 0]
    assert index.calls == [(3, 5)]


def test_fewer_items_than_asked_for() -> None:
    ranker = IndexRanker(
        Fake(torch.ones(3, 1)), torch.ones(2, 1), torch.tensor([[0], [1]]), 3, 2**20
    )
    score, item = ranker.rank(torch.tensor([0, 1]), k=3)
    assert score.tolist() == [[1, -torch.inf, -torch.inf], [1, 1, -torch.inf]]
    assert (item[0, 0], *item[1, :2].tolist()) == (0, 0, 1)


def test_nothing_is_masked_and_blocks_follow_the_budget() -> None:
    index = Fake(torch.rand(9, 2))
    empty = torch.empty(2, 0, dtype=torch.long)
    ranker = IndexRanker(index, torch.rand(7, 2), empty, 9, memory_budget=ENTRY_BYTES * 4 * 3)
    ranker.rank(torch.arange(7), k=4)
    assert index.calls == [(3, 4), (3, 4), (1, 4)]
