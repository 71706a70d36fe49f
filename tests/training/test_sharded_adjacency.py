import pytest
import torch
from torch import Tensor

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.training import sharded_adjacency
from soil_pyg.training.sharded_adjacency import ShardedAdjacency
from threads import Threads


@pytest.mark.parametrize("entries", [1, 4, 2**18])
def test_one_process(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded_adjacency, "ENTRIES_AT_ONCE", entries)
    torch.manual_seed(0)
    edge_index = (torch.rand(6, 5) < 0.4).nonzero().t()
    whole = Adjacency.from_edge_index(edge_index, torch.rand(edge_index.size(1)), size=(6, 5))
    own = ShardedAdjacency(whole, rank=0, size=1)
    assert own.size == (5, 6)
    assert own.t().t() is own
    for matrix, other in (own, whole), (own.t(), whole.t()):
        x = torch.randn(matrix.size[1], 3)
        assert torch.equal(matrix @ x, other @ x)


@pytest.mark.parametrize("entries", [1, 4, 2**18])
@pytest.mark.parametrize("size", [2, 3, 6])
def test_several_processes(entries: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded_adjacency, "ENTRIES_AT_ONCE", entries)
    torch.manual_seed(0)
    # Of six processes, one has no row of the matrix; other rows are empty.
    edge_index = (torch.rand(6, 5) < 0.4).nonzero().t()
    whole = Adjacency.from_edge_index(edge_index, torch.rand(edge_index.size(1)), size=(6, 5))
    sources, targets = torch.randn(6, 3), torch.randn(5, 3)

    def multiply(rank: int) -> tuple[tuple[int, int], Tensor, Tensor]:
        own = ShardedAdjacency(whole, rank, size)
        assert own.t().t() is own
        return own.size, own @ sources[rank::size], own.t() @ targets[rank::size]

    forward, backward = whole.to_dense() @ sources, whole.t().to_dense() @ targets
    for rank, (shape, product, transposed) in enumerate(Threads(size, monkeypatch).run(multiply)):
        assert shape == (len(targets[rank::size]), len(sources[rank::size]))
        torch.testing.assert_close(product, forward[rank::size])
        torch.testing.assert_close(transposed, backward[rank::size])
