import pytest
import torch
from torch import Tensor

from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.singular_triples import leading_singular_triples


def random_matrix(num_rows: int, num_columns: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    value = torch.rand(num_rows, num_columns, generator=generator)
    return value * (torch.rand(num_rows, num_columns, generator=generator) < 0.05)


def sparse(dense: Tensor) -> Adjacency:
    row, col = dense.nonzero().t()
    return Adjacency.from_edge_index(torch.stack([col, row]), dense[row, col], dense.t().size())


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (9, 7)])
def test_equal_those_of_the_dense_matrix(size: tuple[int, int]) -> None:
    """Rank-one parts are compared, as the sign of a vector is arbitrary."""
    dense, k = random_matrix(*size), 5
    left, value, right = leading_singular_triples(sparse(dense), k)
    assert (left.size(), right.size()) == ((size[0], k), (size[1], k))
    u, s, v = torch.linalg.svd(dense.double(), full_matrices=False)
    torch.testing.assert_close(value, s[:k], rtol=1e-7, atol=1e-9)
    for r in range(k if min(size) > 9 else 1):
        ours = torch.outer(left[:, r], right[:, r])
        torch.testing.assert_close(ours, torch.outer(u[:, r], v[r]), rtol=0, atol=1e-6)


def test_multiple_values_are_all_found_and_the_same_each_time() -> None:
    """Each of twenty equal blocks has the values of one of them."""
    block = torch.tensor([[1.0, 2.0], [0.0, 3.0], [1.0, 0.0]])
    dense = torch.block_diag(*[block] * 20)
    before = torch.random.get_rng_state()
    results = [leading_singular_triples(sparse(dense), 25) for _ in range(2)]
    s = torch.linalg.svdvals(block.double())
    expected = torch.cat([s[:1].expand(20), s[1:].expand(5)])
    torch.testing.assert_close(results[0][1], expected)
    assert all(a.equal(b) for a, b in zip(*results, strict=True))
    assert torch.random.get_rng_state().equal(before)


def test_threads_change_no_digit_and_stay() -> None:
    matrix, before = sparse(random_matrix(300, 200)), torch.get_num_threads()
    results = []
    try:
        for num_threads in (1, 3):
            torch.set_num_threads(num_threads)
            results.append(leading_singular_triples(matrix, 5))
            assert torch.get_num_threads() == num_threads
    finally:
        torch.set_num_threads(before)
    assert all(a.equal(b) for a, b in zip(*results, strict=True))
