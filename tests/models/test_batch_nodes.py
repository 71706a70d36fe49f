import pytest
import torch

from soil_pyg.models import batch_nodes
from soil_pyg.models.batch_nodes import distinct, propagate_to, sizes_may_vary
from soil_pyg.nn import LightConv
from soil_pyg.ops.adjacency import Adjacency


def test_each_node_once_on_a_cpu() -> None:
    node, row = distinct(torch.tensor([5, 2, 5, 9]))
    assert node.tolist() == [2, 5, 9]
    assert row.tolist() == [1, 0, 1, 2]
    assert sizes_may_vary(node)


def test_sizes_stay_where_they_must(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    given = torch.tensor([5, 2, 5])
    node, row = distinct(given)
    assert node is given
    assert row.tolist() == [0, 1, 2]
    assert not sizes_may_vary(given)
    assert not sizes_may_vary(torch.empty(2, device="meta"))


def test_propagated_to_some_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    edge_index = torch.tensor([[0, 1, 1, 2], [0, 0, 3, 2]])
    adjacency, conv = Adjacency.from_edge_index(edge_index, size=(3, 4)), LightConv()
    nodes = torch.tensor([3, 0])
    for may_vary in (True, False):
        monkeypatch.setattr(batch_nodes, "sizes_may_vary", lambda node, may_vary=may_vary: may_vary)
        x = torch.tensor([[1.0], [2.0], [4.0]], requires_grad=True)
        views = propagate_to(None, conv, [x, 10 * x], adjacency)
        assert [view.flatten().tolist() for view in views] == [
            [3.0, 0.0, 4.0, 2.0],
            [30.0, 0.0, 40.0, 20.0],
        ]
        out, tenfold = propagate_to(nodes, conv, [x, 10 * x], adjacency)
        assert out.flatten().tolist() == [2.0, 3.0]
        assert tenfold.flatten().tolist() == [20.0, 30.0]
        (out + tenfold).backward(torch.tensor([[1.0], [10.0]]))
        assert x.grad is not None
        assert x.grad.flatten().tolist() == [110.0, 121.0, 0.0]
