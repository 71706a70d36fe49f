import gc
import sys
from pathlib import Path

import pytest
import torch
from torch_geometric.utils import cumsum

from soil_pyg.ops import ragged
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.ragged import (
    GrowingTensor,
    GrowingTensors,
    budget_blocks,
    concat_ranges,
    index2ptr,
    order_by_group,
    trim_heap,
)


def test_concat_ranges() -> None:
    position, owner = concat_ranges(torch.tensor([4, 0, 9]), torch.tensor([2, 0, 3]))
    assert position.tolist() == [4, 5, 9, 10, 11]
    assert owner.tolist() == [0, 0, 2, 2, 2]


def test_index2ptr() -> None:
    assert index2ptr(torch.tensor([0, 0, 2]), 4).tolist() == [0, 2, 2, 3, 3]


def test_budget_blocks_cover_all_rows() -> None:
    cost = torch.tensor([3, 1, 1, 7, 0, 2])
    assert budget_blocks(cost, 5) == [slice(0, 3), slice(3, 4), slice(4, 6)]
    assert budget_blocks(cost[:0], 5) == []


def test_order_by_group_as_two_stable_sorts() -> None:
    generator = torch.Generator().manual_seed(0)
    group = torch.randint(40, (3000,), generator=generator)
    group[:100] = 2**31 - 1
    # Few distinct values: many are equal. Both zeros are.
    value = torch.randint(-9, 9, (3000,), generator=generator).float() / 7
    value[::50] = torch.tensor([-torch.inf, torch.inf, -0.0, 0.0, -1e-45, 1e-45]).repeat(10)
    entries = zip(group.tolist(), (-value).tolist(), strict=True)
    expected = [n for *_, n in sorted((*entry, n) for n, entry in enumerate(entries))]
    assert order_by_group(group, value).tolist() == expected


TYPES = torch.long, torch.int32, torch.float32
CHUNKS = pytest.mark.parametrize("chunk", [1, 3, 4, 100])
SIZES = pytest.mark.parametrize("sizes", [[], [0], [4], [3, 0, 5], [1, 2, 1], [9]])


@CHUNKS
@SIZES
def test_elements_and_entries_come_back_in_order(
    monkeypatch: pytest.MonkeyPatch, chunk: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(ragged, "CHUNK", chunk)
    elements, entries = GrowingTensor(torch.int32), GrowingTensors(*TYPES)
    total = sum(sizes)
    row, column, value = torch.arange(total), torch.arange(total) * 2, torch.rand(total)
    for parts in zip(row.split(sizes), column.split(sizes), value.split(sizes), strict=True):
        elements.add(parts[0])
        entries.add(*parts)
    assert len(elements) == len(entries) == total
    assert elements.pop().equal(row.int())
    for found, expected in zip(entries.pop(), (row, column.int(), value), strict=True):
        assert found.dtype == expected.dtype
        assert found.equal(expected)
    assert len(elements) == len(entries) == entries.pop()[0].numel() == 0


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


@pytest.fixture
def matrix() -> Adjacency:
    # 6 x 4, with a repeated entry and a row without any.
    source = torch.tensor([0, 3, 1, 1, 2, 0, 3])
    target = torch.tensor([0, 0, 1, 1, 3, 4, 5])
    weight = torch.linspace(0.25, 2.0, 7)
    return Adjacency.from_edge_index(torch.stack([source, target]), weight, (4, 6))


def add(rows: GrowingTensors, matrix: Adjacency) -> None:
    rows.add(matrix.rowptr.diff(), matrix.col, matrix.weight)


def take(rows: GrowingTensors) -> Adjacency:
    length, col, weight = rows.pop()
    return Adjacency(cumsum(length), col, weight, 4)


@pytest.mark.parametrize("chunk", [1, 2, 100])
@pytest.mark.parametrize("blocks", [[[0, 1]], [[0, 1], [5], [2], [4, 0]], [[], [3], []]])
def test_rows_stand_one_below_the_other(
    monkeypatch: pytest.MonkeyPatch, matrix: Adjacency, chunk: int, blocks: list[list[int]]
) -> None:
    monkeypatch.setattr(ragged, "CHUNK", chunk)
    rows = GrowingTensors(*TYPES)
    for index in blocks:
        add(rows, matrix.select_rows(torch.tensor(index, dtype=torch.long)))
    found = take(rows)
    expected = [matrix.to_dense()[index] for index in blocks]
    assert found.to_dense().equal(torch.cat(expected))
    assert found.size == (sum(map(len, blocks)), 4)


def test_repeated_entries_stay_apart(matrix: Adjacency) -> None:
    rows = GrowingTensors(*TYPES)
    add(rows, matrix)
    add(rows, matrix)
    found = take(rows)
    assert found.rowptr.tolist() == [0, 2, 4, 4, 5, 6, 7, 9, 11, 11, 12, 13, 14]
    assert found.col.tolist() == matrix.col.tolist() * 2
    assert found.weight.equal(matrix.weight.repeat(2))
    assert found.rowptr.dtype == found.col.dtype == torch.int32


def test_rows_that_were_taken_are_forgotten(matrix: Adjacency) -> None:
    rows = GrowingTensors(*TYPES)
    assert take(rows).size == (0, 4)
    add(rows, matrix)
    rows.pop()
    add(rows, matrix.select_rows(torch.tensor([1])))
    assert take(rows).to_dense().equal(matrix.to_dense()[[1]])


def resident() -> int:
    """The resident memory of this process, in bytes."""
    [line] = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in x]
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_freed_memory_goes_back() -> None:
    # What stays lies between what is freed, so that the heap cannot just become shorter.
    freed, stays = [], []
    for _ in range(2**12):
        freed.append(torch.ones(2**16, dtype=torch.uint8))
        stays.append(torch.zeros(16))
    full = resident()
    del freed
    gc.collect()
    trim_heap()
    assert full - resident() > 2**27
    assert len(stays) == 2**12


def test_a_library_that_cannot_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    trim_heap()


@pytest.mark.parametrize(("device", "trimmed"), [("cpu", 2), ("meta", 0)])
def test_only_chunks_on_the_heap_trim_it(
    monkeypatch: pytest.MonkeyPatch, device: str, trimmed: int
) -> None:
    calls = []
    monkeypatch.setattr(ragged, "trim_heap", lambda: calls.append(1))
    monkeypatch.setattr(ragged, "CHUNK", 4)
    rows = GrowingTensor(torch.long, torch.device(device))
    rows.add(torch.zeros(5, dtype=torch.long, device=device))
    assert len(calls) == trimmed
    assert len(rows) == 5
