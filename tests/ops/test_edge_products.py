import torch

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.edge_products import edge_products


def test_equals_the_definition_and_its_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    target, source = (
        torch.randn(n, 3, generator=generator, dtype=torch.double, requires_grad=True)
        for n in (4, 5)
    )
    edge_index = torch.tensor([[0, 4, 4, 2, 1], [0, 0, 3, 1, 3]])
    matrix = Adjacency.from_edge_index(edge_index, size=(5, 4))
    slope = torch.randn(5, generator=generator, dtype=torch.double)
    out = edge_products(target, source, matrix)
    expected = (target[matrix.row()] * source[matrix.col.long()]).sum(dim=-1)
    torch.testing.assert_close(out, expected)
    grads = [torch.autograd.grad(slope @ x, [target, source]) for x in (out, expected)]
    torch.testing.assert_close(*grads)
