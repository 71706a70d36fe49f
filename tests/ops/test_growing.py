import pytest
import torch

from soil_pyg.ops import growing
from soil_pyg.ops.growing import GrowingTensor


@pytest.mark.parametrize("chunk", [1, 3, 4, 100])
@pytest.mark.parametrize("sizes", [[], [0], [4], [3, 0, 5], [1, 2, 1], [9]])
def test_elements_come_back_in_order(
    monkeypatch: pytest.MonkeyPatch, chunk: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(growing, "CHUNK", chunk)
    kept = GrowingTensor(torch.int32)
    elements = torch.arange(sum(sizes))
    for piece in elements.split(sizes):
        kept.add(piece)
    assert len(kept) == elements.numel()
    found = kept.pop()
    assert found.dtype == torch.int32
    assert found.tolist() == elements.tolist()


def test_what_was_taken_is_forgotten() -> None:
    kept = GrowingTensor(torch.float32)
    kept.add(torch.ones(3))
    assert kept.pop().tolist() == [1.0, 1.0, 1.0]
    assert len(kept) == 0
    assert kept.pop().numel() == 0
    kept.add(torch.zeros(2))
    assert kept.pop().tolist() == [0.0, 0.0]


def test_pieces_are_copied() -> None:
    kept = GrowingTensor(torch.float32)
    piece = torch.ones(2)
    kept.add(piece)
    piece.zero_()
    assert kept.pop().tolist() == [1.0, 1.0]
