import pytest
import torch

from soil_pyg.ops import growing
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.growing import RowBlocks


@pytest.fixture
def matrix() -> Adjacency:
    # 6 x 4, with a repeated entry and a row without any.
    source = torch.tensor([0, 3, 1, 1, 2, 0, 3])
    target = torch.tensor([0, 0, 1, 1, 3, 4, 5])
    weight = torch.linspace(0.25, 2.0, 7)
    return Adjacency.from_edge_index(torch.stack([source, target]), weight, (4, 6))


@pytest.mark.parametrize("chunk", [1, 2, 100])
@pytest.mark.parametrize("blocks", [[[0, 1]], [[0, 1], [5], [2], [4, 0]], [[], [3], []]])
def test_rows_stand_one_below_the_other(
    monkeypatch: pytest.MonkeyPatch, matrix: Adjacency, chunk: int, blocks: list[list[int]]
) -> None:
    monkeypatch.setattr(growing, "CHUNK", chunk)
    rows = RowBlocks(num_columns=4)
    for index in blocks:
        rows.add(matrix.select_rows(torch.tensor(index, dtype=torch.long)))
    found = rows.pop()
    expected = [matrix.to_dense()[index] for index in blocks]
    assert found.to_dense().equal(torch.cat(expected))
    assert found.size == (sum(map(len, blocks)), 4)


def test_repeated_entries_stay_apart(matrix: Adjacency) -> None:
    rows = RowBlocks(num_columns=4)
    rows.add(matrix)
    rows.add(matrix)
    found = rows.pop()
    assert found.rowptr.tolist() == [0, 2, 4, 4, 5, 6, 7, 9, 11, 11, 12, 13, 14]
    assert found.col.tolist() == matrix.col.tolist() * 2
    assert found.weight.equal(matrix.weight.repeat(2))
    assert found.rowptr.dtype == found.col.dtype == torch.int32


def test_rows_that_were_taken_are_forgotten(matrix: Adjacency) -> None:
    rows = RowBlocks(num_columns=4)
    assert rows.pop().size == (0, 4)
    rows.add(matrix)
    rows.pop()
    rows.add(matrix.select_rows(torch.tensor([1])))
    assert rows.pop().to_dense().equal(matrix.to_dense()[[1]])
