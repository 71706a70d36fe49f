import numpy as np
import torch
from torch_geometric.data import HeteroData

from soil_pyg.runs.pair_hashes import PAIR_HASH, hashes_of, training_hashes
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, USER


def test_hashes_follow_the_ids(data: HeteroData) -> None:
    ids = {kind: np.asarray(data[kind].id) for kind in (USER, ITEM)}
    assert hashes_of(HeteroData(), "edge_index", ids).tolist() == []
    hashes = [hashes_of(data, name, ids) for name in EDGE_INDICES]
    assert [len(found) for found in hashes] == [data[INTERACTS][n].size(1) for n in EDGE_INDICES]
    assert len(np.unique(np.concatenate(hashes))) == sum(map(len, hashes))
    swapped = data.clone()
    swapped[INTERACTS].edge_index = torch.stack(
        [29 - data[INTERACTS].edge_index[0], data[INTERACTS].edge_index[1]]
    )
    reversed_ids = {**ids, USER: ids[USER][::-1]}
    assert hashes_of(swapped, "edge_index", reversed_ids).tolist() == hashes[0].tolist()


def test_hashes_of_earlier_runs_are_kept(data: HeteroData) -> None:
    ids = {kind: np.asarray(data[kind].id) for kind in (USER, ITEM)}
    own = training_hashes(data, ids)
    assert own.tolist() == sorted(hashes_of(data, "edge_index", ids))
    data[PAIR_HASH] = torch.tensor([int(own[3]), 7])
    assert training_hashes(data, ids).tolist() == sorted({*own.tolist(), 7})
