import torch

from soil_pyg.training.row_exchange import RowExchange


def test_one_process() -> None:
    table = torch.randn(7, 3)
    index = torch.tensor([5, 0, 3])
    exchange = RowExchange(index, size=1)
    assert torch.equal(exchange.fetch(table), table[index])
    given = torch.zeros_like(table).index_add_(0, exchange.row, exchange.give_back(table[index]))
    assert torch.equal(given[index], table[index])
    assert exchange.num_bytes(table) == 6 * 3 * 4
    assert RowExchange(index[:0], size=1).fetch(table).size() == (0, 3)
