import pytest
import torch

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.training import sharded_adjacency
from soil_pyg.training.sharded_adjacency import ShardedAdjacency


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
