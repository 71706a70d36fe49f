import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.runs import checkpoint
from soil_pyg.runs.schema import PAIRS
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.runs.trained_pairs import trained_hashes, without_trained_pairs
from soil_pyg.runs.warm_start import warm_start
from soil_pyg.training import Trainer
from soil_pyg.typing import EDGE_INDICES, HELD_OUT_SPLITS, INTERACTS, ITEM, TRAINED_EARLIER, USER

RandomData = Callable[..., HeteroData]
Pairs = set[tuple[str, str]]


def pairs(data: HeteroData, name: str) -> Pairs:
    user, item = data[INTERACTS][name].tolist()
    return set(zip(data[USER].id[user].tolist(), data[ITEM].id[item].tolist(), strict=True))


def split_anew(data: HeteroData, seed: int, num_users: int | None = None) -> HeteroData:
    """Returns the pairs of the first users in other splits, with the ids in another order."""
    rng = np.random.default_rng(seed)
    out = HeteroData()
    place = {}
    for kind in (USER, ITEM):
        out[kind].num_nodes = data[kind].num_nodes
        order = rng.permutation(data[kind].num_nodes)
        out[kind].id = data[kind].id[order]
        place[kind] = torch.from_numpy(np.argsort(order))
    edges = torch.cat([data[INTERACTS][name] for name in EDGE_INDICES], dim=1)
    edges = edges[:, edges[0] < (data[USER].num_nodes if num_users is None else num_users)]
    edges = torch.stack([place[USER][edges[0]], place[ITEM][edges[1]]])
    label = torch.from_numpy(rng.choice(3, edges.size(1), p=[0.6, 0.2, 0.2]))
    for value, name in enumerate(EDGE_INDICES):
        out[INTERACTS][name] = edges[:, label == value]
    out.name, out.digest = "anew", f"anew {seed}"
    return out


@pytest.fixture
def trained(data: HeteroData, random_run: Callable[..., TrainedModel]) -> TrainedModel:
    return random_run(data, "bpr")


def test_held_out_pairs_of_the_training_are_left_out(
    data: HeteroData, trained: TrainedModel
) -> None:
    later = split_anew(data, 1)
    known = pairs(data, "edge_index")
    before = {name: pairs(later, name) for name in EDGE_INDICES}
    found, left_out = without_trained_pairs(later, trained)
    removed: Pairs = set()
    for split, name in zip(HELD_OUT_SPLITS, EDGE_INDICES[1:], strict=True):
        leaked = before[name] & known
        assert left_out[split] == len(leaked) > 0
        assert pairs(found, name) == before[name] - leaked
        removed |= leaked
    assert pairs(found, TRAINED_EARLIER) == removed
    assert pairs(found, "edge_index") == before["edge_index"]
    # The data itself stays as it is.
    assert {name: pairs(later, name) for name in EDGE_INDICES} == before
    assert TRAINED_EARLIER not in later[INTERACTS]
    again, none = without_trained_pairs(found, trained)
    assert (none, pairs(again, TRAINED_EARLIER)) == ({"val": 0, "test": 0}, removed)


def test_pairs_that_are_left_out_are_not_ranked(data: HeteroData, trained: TrainedModel) -> None:
    found, _ = without_trained_pairs(split_anew(data, 1), trained)
    user_emb, item_emb = torch.randn(30, 4), torch.randn(40, 4)
    _, items = Evaluator().rank(user_emb, item_emb, found, torch.arange(30), 40)
    ranked = {(u, i) for u, row in enumerate(items.tolist()) for i in row if i < 40}
    known = [found[INTERACTS][name].t().tolist() for name in ("edge_index", TRAINED_EARLIER)]
    not_ranked = {(u, i) for pairs in known for u, i in pairs}
    assert ranked == {(u, i) for u in range(30) for i in range(40)} - not_ranked

    # The metrics are those of data whose left-out pairs are training pairs.
    class Fixed(torch.nn.Module):
        def forward(self, data: HeteroData) -> tuple[torch.Tensor, torch.Tensor]:
            return user_emb, item_emb

    moved = found.clone()
    del moved[INTERACTS][TRAINED_EARLIER]
    moved[INTERACTS].edge_index = torch.cat(
        [found[INTERACTS].edge_index, found[INTERACTS][TRAINED_EARLIER]], dim=1
    )
    for split in HELD_OUT_SPLITS:
        expected = Evaluator().evaluate(Fixed(), moved, split)
        assert Evaluator().evaluate(Fixed(), found, split) == expected


def test_data_that_leaks_nothing_stays_as_it_is(data: HeteroData, trained: TrainedModel) -> None:
    found, left_out = without_trained_pairs(data, trained)
    assert left_out == {"val": 0, "test": 0}
    assert TRAINED_EARLIER not in found[INTERACTS]
    for name in EDGE_INDICES:
        assert found[INTERACTS][name].equal(data[INTERACTS][name])
    no_pairs = HeteroData()
    no_pairs[USER].num_nodes, no_pairs[ITEM].num_nodes = 30, 40
    assert without_trained_pairs(no_pairs, trained)[1] == {}


def test_a_chain_of_runs_remembers_all_pairs(
    data: HeteroData, trained: TrainedModel, tmp_path: Path
) -> None:
    middle, _ = without_trained_pairs(split_anew(data, 1, num_users=20), trained)
    Trainer(epochs=1, progress=False).fit(
        BPR(30, 40, hidden_channels=6), middle, tmp_path / "middle"
    )
    last = split_anew(data, 2)
    found, left_out = without_trained_pairs(last, checkpoint.load(tmp_path / "middle"))
    known = pairs(data, "edge_index") | pairs(middle, "edge_index")
    of_both = [pairs(last, name) & known for name in EDGE_INDICES[1:]]
    assert list(left_out.values()) == [len(leaked) for leaked in of_both]
    # The run in the middle was not trained on pairs of the last users.
    assert len(pairs(found, TRAINED_EARLIER) - pairs(middle, "edge_index")) > 0


def test_too_little_that_remains(data: HeteroData, trained: TrainedModel) -> None:
    later = data.clone()
    later[INTERACTS].test_edge_label_index = data[INTERACTS].edge_index[:, :40]
    with pytest.raises(ValueError, match=r"'init' \(--init\).*test.*\(got 40 of 40\).*--like"):
        without_trained_pairs(later, trained)


def test_weights_are_not_copied_for_data_that_leaks(
    data: HeteroData, trained: TrainedModel
) -> None:
    later = split_anew(data, 1)
    model = BPR(30, 40, hidden_channels=6)
    before = model.user_embedding.weight.clone()
    with pytest.raises(ValueError, match=r"'data'.*'without_trained_pairs'"):
        warm_start(model, later, trained)
    assert model.user_embedding.weight.equal(before)
    warm_start(model, without_trained_pairs(later, trained)[0], trained)
    assert not model.user_embedding.weight.equal(before)


def test_a_run_of_an_earlier_version(data_folder: Path, run_folder: Path) -> None:
    trained = checkpoint.load(run_folder)
    expected = trained_hashes(trained)
    assert expected.dtype == np.int64
    del trained.run["files"][PAIRS]
    assert trained_hashes(trained).tolist() == expected.tolist()
    later = replace(trained, settings=trained.settings | {"init": "1234"})
    with pytest.raises(ValueError, match=r"'init' \(--init\)"):
        trained_hashes(later)
    shutil.rmtree(data_folder)
    with pytest.raises(ValueError, match=r"'init' \(--init\)"):
        trained_hashes(trained)


@pytest.mark.parametrize("change", ["damaged", "missing"])
def test_a_file_that_has_changed(run_folder: Path, change: str) -> None:
    trained = checkpoint.load(run_folder)
    path = run_folder / PAIRS
    if change == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    for read in (lambda: trained_hashes(trained), lambda: checkpoint.load(run_folder)):
        with pytest.raises((ValueError, FileNotFoundError), match=f"{PAIRS}.*--overwrite"):
            read()
