from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg import recommend, recommend_blocks
from soil_pyg.datasets.data_folder import load_data_folder
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import EDGE_INDICES, INTERACTS


@pytest.fixture
def data(data_folder: Path) -> HeteroData:
    return load_data_folder(data_folder)


@pytest.fixture
def trained(run_folder: Path) -> TrainedModel:
    """A run with many equal scores."""
    trained = soil_pyg.load(run_folder)
    generator = torch.Generator().manual_seed(0)
    trained.user_emb = torch.randint(0, 3, (30, 2), generator=generator).float()
    trained.item_emb = torch.randint(0, 3, (25, 2), generator=generator).float()
    return trained


def test_all_users_as_the_evaluator_ranks_them(trained: TrainedModel, data: HeteroData) -> None:
    frame = recommend(trained, k=7, exclude_seen="train")
    assert list(frame) == ["user", "rank", "item", "score"]
    score, item = Evaluator().rank(trained.user_emb, trained.item_emb, data, torch.arange(30), k=7)
    assert frame["user"].tolist() == np.repeat(trained.user_id, 7).tolist()
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5, 6, 7] * 30
    assert frame["item"].tolist() == trained.item_id[item.view(-1).numpy()].tolist()
    assert frame["score"].tolist() == score.view(-1).tolist()


def test_blocks_are_the_same_rows(trained: TrainedModel) -> None:
    blocks = list(recommend_blocks(trained, k=3, memory_budget=2**13))
    assert len(blocks) > 3
    pd.testing.assert_frame_equal(pd.concat(blocks, ignore_index=True), recommend(trained, k=3))


def test_some_users_in_their_order(trained: TrainedModel, run_folder: Path) -> None:
    frame = recommend(trained, users=[290, "0", 290], k=2)
    assert frame["user"].tolist() == [290, 290, 0, 0, 290, 290]
    everyone = recommend(trained, k=2).groupby("user")["item"].agg(list)
    assert frame["item"].tolist() == everyone[290] + everyone[0] + everyone[290]
    assert recommend(run_folder, users=[10], k=1)["user"].tolist() == [10]
    with pytest.raises(ValueError, match=r"'users'.*\(got none\)"):
        recommend(trained, users=[])


def test_what_is_excluded(trained: TrainedModel, data: HeteroData) -> None:
    store = data[INTERACTS]
    seen = {tuple(pair) for pair in store.edge_index.t().tolist()}
    held_out = {tuple(pair) for name in EDGE_INDICES[1:] for pair in store[name].t().tolist()}

    def pairs(exclude_seen: str) -> set[tuple[int, int]]:
        frame = recommend(trained, k=25, exclude_seen=exclude_seen)
        users = np.searchsorted(trained.user_id, frame["user"])
        positions = {name: i for i, name in enumerate(trained.item_id)}
        return set(zip(users.tolist(), frame["item"].map(positions), strict=True))

    everything = {(user, item) for user in range(30) for item in range(25)}
    assert pairs("none") == everything
    assert pairs("train") == everything - seen
    assert pairs("all") == everything - seen - held_out
    assert recommend(trained, k=25).equals(recommend(trained, k=25, exclude_seen="all"))


def test_data_is_not_read_where_nothing_is_excluded(
    trained: TrainedModel, data_folder: Path
) -> None:
    (data_folder / "prepare.json").unlink()
    assert len(recommend(trained, k=2, exclude_seen="none")) == 60
    with pytest.raises(FileNotFoundError, match=r"prepare\.json"):
        recommend(trained, k=2)


def test_allow_and_deny(trained: TrainedModel, tmp_path: Path) -> None:
    allowed, denied = ["item 2", "item 17", "item 9"], ["item 17", "item 5"]
    everything = recommend(trained, k=25)
    (tmp_path / "deny.txt").write_text("\n".join(denied))
    for deny in (denied, tmp_path / "deny.txt", str(tmp_path / "deny.txt")):
        frame = recommend(trained, k=4, allow=allowed, deny=deny)
        rest = everything[everything["item"].isin({"item 2", "item 9"})]
        assert frame["item"].tolist() == rest["item"].tolist()
        assert frame["score"].tolist() == rest["score"].tolist()
    ranks = frame.groupby("user")["rank"].agg(list)
    assert all(rank == list(range(1, len(rank) + 1)) for rank in ranks)
    frame = recommend(trained, k=25, deny=denied)
    rest = everything[~everything["item"].isin(denied)]
    assert frame["item"].tolist() == rest["item"].tolist()
    with pytest.raises(ValueError, match=r"'allow'.*\(got none\)"):
        recommend(trained, allow=[])


def test_files_may_name_items_that_are_newer_than_the_run(
    trained: TrainedModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    allow, deny = tmp_path / "allow.txt", tmp_path / "deny.csv"
    allow.write_text("item 2\ntea\nitem 17\nrum\ntea\n")
    deny.write_text("item\nmilk\n")
    frame = recommend(trained, k=25, allow=allow, deny=deny)
    expected = recommend(trained, k=25, allow=["item 2", "item 17"])
    assert frame.equals(expected)
    assert [record.getMessage() for record in caplog.records] == [
        f"'allow' ({allow}): skipped the ids of items that the run lacks (2, such as 'tea')",
        f"'deny' ({deny}): skipped the ids of items that the run lacks (1, such as 'milk')",
    ]
    allow.write_text("tea\n")
    with pytest.raises(ValueError, match=r"'allow' .*no item 'tea'"):
        recommend(trained, allow=allow)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"users": [10, 11]}, "'users'.*'11'"),
        ({"users": "10"}, r"'users'.*'all'.*\(got '10'\)"),
        ({"allow": ["item 1", "tea"]}, "'allow'.*'tea'"),
        ({"deny": ["tea"]}, "'deny'.*'tea'"),
        ({"k": 0}, r"'k'.*\(got 0\)"),
        ({"memory_budget": 0}, r"'memory_budget'.*\(got 0\)"),
        ({"exclude_seen": True}, r"'exclude_seen'.*all.*train.*none.*\(got True\)"),
        ({"index": True, "deny": ["item 1"]}, "'index'.*'allow'.*'deny'.*True"),
    ],
)
def test_wrong_arguments_are_refused_before_the_first_block(
    trained: TrainedModel, options: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        recommend_blocks(trained, **options)


def test_other_data(trained: TrainedModel, featured_data: Callable[..., HeteroData]) -> None:
    with pytest.raises(ValueError, match="digest 1"):
        recommend(trained, data=featured_data(2, seed=1))
