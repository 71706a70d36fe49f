import logging
from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.ranking import held_out as module
from soil_pyg.ranking.held_out import held_out, known_pairs
from soil_pyg.typing import INTERACTS, TRAINED_EARLIER


def test_pairs_are_found_once_for_the_same_edges(
    data: HeteroData, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    compute = module._held_out
    monkeypatch.setattr(module, "_held_out", lambda *a: (calls.append(a), compute(*a))[1])
    store = data[INTERACTS]
    store.val_edge_label_index = torch.cat([store.val_edge_label_index] * 2, dim=1)
    first = held_out(data, "val")
    assert first.size(1) == store.val_edge_label_index.size(1) // 2
    assert held_out(data, "val") is first
    assert len(calls) == 1

    # Edges that change make the first pair a training pair.
    store.edge_index = torch.cat([store.edge_index, first[:, :1]], dim=1)
    later = held_out(data, "val")
    assert later.t().tolist() == first[:, 1:].t().tolist()
    assert len(calls) == 2


def make(trained: list[tuple[int, int]], pairs: list[tuple[int, int]]) -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 3, 4
    data[INTERACTS].edge_index = torch.tensor(trained).t()
    data[INTERACTS].test_edge_label_index = torch.tensor(pairs, dtype=torch.long).view(-1, 2).t()
    return data


@pytest.mark.parametrize(
    ("pairs", "expected", "num_left_out"),
    [
        ([(0, 1), (2, 3), (1, 0)], [(0, 1), (2, 3), (1, 0)], 0),
        ([(2, 3), (0, 1), (2, 3), (1, 0)], [(0, 1), (1, 0), (2, 3)], 0),
        ([(2, 3), (0, 2), (1, 0)], [(1, 0), (2, 3)], 1),
        ([(2, 0), (2, 3), (0, 2), (2, 3), (0, 2)], [(2, 3)], 2),
    ],
)
def test_pairs_of_the_train_split_are_left_out(
    pairs: list[tuple[int, int]],
    expected: list[tuple[int, int]],
    num_left_out: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = make([(0, 2), (1, 1), (2, 0)], pairs)
    with caplog.at_level(logging.WARNING, "soil_pyg"):
        found = held_out(data, "test")
    assert list(map(tuple, found.t().tolist())) == expected
    left_out = [record.args for record in caplog.records]
    assert left_out == ([(num_left_out, len(set(pairs)), "test")] if num_left_out else [])
    # Pairs that stay as they are take no memory of their own.
    is_given = found.data_ptr() == data[INTERACTS].test_edge_label_index.data_ptr()
    assert is_given == (expected == pairs)


def test_a_split_without_pairs_to_rank() -> None:
    for data in (make([(0, 2)], []), make([(0, 2)], [(0, 2), (0, 2)])):
        for split in ("val", "test"):
            with pytest.raises(ValueError, match=rf"'data'.*'{split}'.*\(got"):
                held_out(data, split)
    with pytest.raises(ValueError, match=r"'split'.*\(got 'train'\)"):
        held_out(make([(0, 2)], [(0, 1)]), "train")
    with pytest.raises(ValueError, match=r"'data'.*'test'.*\(got none\)"):
        held_out(HeteroData(), "test")


def test_known_pairs_are_trained_now_or_earlier() -> None:
    data = make([(0, 2), (1, 1)], [(0, 1)])
    assert known_pairs(data).tolist() == [[0, 1], [2, 1]]
    data[INTERACTS][TRAINED_EARLIER] = torch.tensor([[2, 0], [3, 0]])
    assert known_pairs(data).tolist() == [[0, 1, 2, 0], [2, 1, 3, 0]]
    with pytest.raises(ValueError, match="names node 3"):
        known_pairs(data, size=(3, 3))
