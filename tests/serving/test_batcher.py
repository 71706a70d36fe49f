from concurrent.futures import wait

import pytest
import torch

from soil_pyg.serving.batcher import Batcher


def best(query: torch.Tensor, emb: torch.Tensor, masked: torch.Tensor, k: int) -> list[int]:
    """Ranks naively: all scores in double precision, ties by the smaller index."""
    scores = (emb.double() @ query.double()).float()
    order = sorted(range(len(emb)), key=lambda item: (-scores[item], item))
    return [item for item in order if item not in masked.tolist()][:k]


def test_concurrent_requests_are_ranked_as_if_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    emb = torch.randn(60, 4, generator=generator)
    emb[10:20] = emb[0]
    query = torch.randn(200, 4, generator=generator)
    batcher, answers, expected = Batcher(emb), [], []
    for number in range(200):
        rows = torch.tensor([number, (number * 7) % 200][: 1 + number % 2])
        masked = [torch.randperm(60, generator=generator)[: number % 60] for _ in rows]
        k = [3, 5, 80][number % 3]
        answers.append(batcher.rank(query[rows], masked, k))
        expected.append([best(query[r], emb, m, k) for r, m in zip(rows, masked, strict=True)])
    wait(answers)
    assert [[items for items, _ in answer.result()] for answer in answers] == expected


def test_an_error_reaches_all_requests_of_the_batch_and_no_other() -> None:
    emb = torch.ones(3, 2)
    batcher = Batcher(emb)
    wrong = batcher.rank(torch.full((1, 2), torch.inf), [torch.tensor([0])], k=1)
    with pytest.raises(FloatingPointError):
        wrong.result()
    assert batcher.rank(emb[:1], [torch.tensor([0])], k=1).result() == [([1], [2.0])]
