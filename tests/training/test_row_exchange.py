import pytest
import torch
from torch import Tensor

from soil_pyg.training.row_exchange import RowExchange
from threads import Threads


def test_one_process() -> None:
    table = torch.randn(7, 3)
    index = torch.tensor([5, 0, 3])
    exchange = RowExchange(index, size=1)
    assert torch.equal(exchange.fetch(table), table[index])
    given = torch.zeros_like(table).index_add_(0, exchange.row, exchange.give_back(table[index]))
    assert torch.equal(given[index], table[index])
    assert exchange.num_bytes(table) == 6 * 3 * 4
    assert RowExchange(index[:0], size=1).fetch(table).size() == (0, 3)


READ = [torch.tensor([5, 0, 3, 7]), torch.tensor([], dtype=torch.long), torch.tensor([7, 2, 0])]
"""The rows that each of three processes reads, of eight."""


def test_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    table = torch.randn(8, 2)

    def exchange(rank: int) -> tuple[Tensor, Tensor, list[int], int]:
        part, rows = table[rank::3], RowExchange(READ[rank], size=3)
        given = rows.give_back(10.0 * (rank + 1) + READ[rank].unsqueeze(1).expand(-1, 2))
        total = torch.zeros_like(part).index_add_(0, rows.row, given)
        return rows.fetch(part), total, rows.row.tolist(), rows.num_bytes(part)

    expected, of_owner = torch.zeros_like(table), [[], [], []]
    for rank, index in enumerate(READ):
        for i in index.tolist():
            expected[i] += 10.0 * (rank + 1) + i
            of_owner[i % 3].append(i // 3)
    results = Threads(3, monkeypatch).run(exchange)
    for rank, (rows, total, read, num_bytes) in enumerate(results):
        assert rows.equal(table[READ[rank]])
        assert total.equal(expected[rank::3])
        assert read == of_owner[rank]
        # It asks for its own rows, and sends those that are read from it.
        assert num_bytes == (len(READ[rank]) + len(read)) * 2 * 4
