"""Rows that are summed in parts, as on a GPU."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.row_sums import cut_rows, sum_parts


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.integers(-3, 3)), max_size=60))
def test_rows_in_parts_equal_whole_ones(edges: list[tuple[int, int, int]]) -> None:
    table = torch.tensor(edges, dtype=torch.long).view(-1, 3)
    edge_index, weight = table[:, :2].t(), table[:, 2].float()
    adjacency = Adjacency.from_edge_index(edge_index, weight, size=(10, 5))
    for matrix in (adjacency, adjacency.t()):
        x = torch.arange(2.0 * matrix.size[1]).view(-1, 2)
        part_ptr, row_ptr = cut_rows(matrix.rowptr, matrix.col, matrix.size[1])
        sums = sum_parts(x, matrix.col, (part_ptr, row_ptr), matrix.weight)
        assert sums.tolist() == (matrix @ x).tolist()
        assert part_ptr.diff().max() <= matrix.size[1] ** 0.5
        assert row_ptr.diff().tolist() == [
            -(-count // int(matrix.size[1] ** 0.5)) for count in matrix.rowptr.diff().tolist()
        ]


def test_a_matrix_without_columns() -> None:
    nothing = torch.empty(0, dtype=torch.int32)
    part_ptr, row_ptr = cut_rows(torch.zeros(4, dtype=torch.int32), nothing, 0)
    assert row_ptr.tolist() == [0, 0, 0, 0]
    assert part_ptr.max() == 0


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float, torch.bfloat16])
def test_gpu(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    # Every edge of two targets, and few of the others.
    sources = torch.cat([torch.arange(4000), torch.arange(4000), torch.arange(0, 4000, 7)])
    targets = torch.arange(2).repeat_interleave(4000)
    targets = torch.cat([targets, torch.randint(300, (572,), generator=generator)])
    weight = torch.rand(8572, generator=generator)
    matrix = Adjacency.from_edge_index(torch.stack([sources, targets]), weight, (4000, 300))
    x = torch.randn(4000, 64, generator=generator).to(dtype).requires_grad_()
    expected = torch.autograd.grad((matrix @ x).float().square().sum(), x)[0].float()
    x = x.detach().cuda().requires_grad_()
    out = matrix.to("cuda") @ x
    found = torch.autograd.grad(out.float().square().sum(), x)[0].float().cpu()
    assert out.dtype == dtype
    assert (found - expected).norm() <= (1e-5 if dtype == torch.float else 1e-2) * expected.norm()
