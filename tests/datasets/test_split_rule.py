from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.data_folder import load_data_folder, load_description
from soil_pyg.datasets.split_rule import SplitRule
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, SPLITS, USER
from soil_pyg.workflow.prepare import prepare

Pairs = dict[tuple[str, str], str]


def table(num_users: int, num_rows: int, seed: int = 0, first_day: int = 0) -> pd.DataFrame:
    """Returns distinct pairs of users and items; there are two per day."""
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(num_users * 30)[:num_rows]
    frame = pd.DataFrame({"user": pairs // 30 * 3, "item": [f"i{pair % 30}" for pair in pairs]})
    return frame.assign(day=first_day + np.arange(num_rows) // 2)


@pytest.fixture
def week() -> pd.DataFrame:
    return table(20, 300)


@pytest.fixture
def later(week: pd.DataFrame) -> pd.DataFrame:
    """The first week, and pairs of known and of new users, in another order."""
    both = pd.concat([week, table(26, 150, seed=1, first_day=1000)])
    return both.drop_duplicates(["user", "item"]).sample(frac=1, random_state=0)


def splits(folder: Path) -> Pairs:
    data = load_data_folder(folder)
    ids = [np.asarray(data[kind].id).astype(str) for kind in (USER, ITEM)]
    return {
        (ids[0][user], ids[1][item]): split
        for split, name in zip(SPLITS, EDGE_INDICES, strict=True)
        for user, item in data[INTERACTS][name].t().tolist()
    }


def count(pairs: Pairs) -> dict[str, int]:
    return {split: list(pairs.values()).count(split) for split in SPLITS}


@pytest.mark.parametrize("ids", ["as they are", "as text"])
@pytest.mark.parametrize("split", ["random", "last", "time"])
def test_known_pairs_keep_their_split(
    week: pd.DataFrame, later: pd.DataFrame, tmp_path: Path, split: str, ids: str
) -> None:
    options: dict[str, Any] = {"split": split, "time_column": None if split == "random" else "day"}
    prepare(week, tmp_path / "week", **options, seed=3)
    gone = week.iloc[[5, 50, 250]]
    later = later[
        ~later.set_index(["user", "item"]).index.isin(gone.set_index(["user", "item"]).index)
    ]
    if ids == "as text":
        later = later.assign(user=later["user"].astype(str))
    prepared = prepare(later, tmp_path / "later", like=tmp_path / "week")
    before, after = splits(tmp_path / "week"), splits(tmp_path / "later")
    kept = {pair: after[pair] for pair in before if pair in after}
    assert kept == {pair: before[pair] for pair in kept}
    assert len(before) - len(kept) == 3
    new = {pair: after[pair] for pair in after if pair not in before}
    assert prepared["like"] == {
        "digest": load_description(tmp_path / "week")["digest"],
        "kept": count(kept),
        "new": count(new),
        "gone": count({pair: before[pair] for pair in before if pair not in after}),
    }
    assert min(count(new).values()) > 0
    names = ("split", "time_column", "ratios", "seed")
    assert [prepared["arguments"][name] for name in names] == [
        *(split, options["time_column"], [0.8, 0.1, 0.1], 3)
    ]


def test_new_pairs_are_held_out_as_often_as_others(tmp_path: Path) -> None:
    later = table(100, 2400)
    prepare(later[:1200], tmp_path / "week")
    prepared = prepare(later, tmp_path / "later", like=tmp_path / "week")
    share = {name: n / 1200 for name, n in prepared["like"]["new"].items()}
    # Five standard deviations of a binomial share are .043.
    assert share == pytest.approx({"train": 0.83, "val": 0.085, "test": 0.085}, abs=0.043)


@pytest.mark.parametrize("split", ["last", "time"])
def test_new_pairs_in_time_are_split_among_themselves(
    week: pd.DataFrame, later: pd.DataFrame, tmp_path: Path, split: str
) -> None:
    columns: dict[str, Any] = {"split": split, "time_column": "day"}
    prepare(week, tmp_path / "week", **columns)
    prepare(later, tmp_path / "later", like=tmp_path / "week")
    prepare(later[later["day"] >= 1000], tmp_path / "new", **columns)
    before, after = splits(tmp_path / "week"), splits(tmp_path / "later")
    new = {pair: split for pair, split in after.items() if pair not in before}
    alone = splits(tmp_path / "new")
    assert {pair: new[pair] for pair in alone} == alone
    # Users whose only training pairs are known are dropped from the new pairs alone.
    assert {user for user, _ in new.keys() - alone.keys()} <= {user for user, _ in before}


def test_the_same_data_is_the_same(week: pd.DataFrame, tmp_path: Path) -> None:
    digest = prepare(week, tmp_path / "data", ratios=(0.6, 0.2, 0.2), seed=4)["digest"]
    for folder in ("data", "other"):
        prepared = prepare(
            week.sample(frac=1, random_state=0), tmp_path / folder, name="table", overwrite=True,
            like=tmp_path / "data", ratios=[0.6, 0.2, 0.2], seed=4, split="random",
        )  # fmt: skip
        assert prepared["digest"] == digest
        assert sum(prepared["like"]["new"].values()) == 0


@pytest.mark.parametrize("split", ["last", "time"])
def test_the_share_of_tied_pairs(week: pd.DataFrame, tmp_path: Path, split: str) -> None:
    whole = prepare(week.assign(day=7), tmp_path / "a", split=split, time_column="day")
    num_held_out = whole["counts"]["val"] + whole["counts"]["test"]
    assert whole["tied"] == {"pairs": num_held_out, "share": 1.0}
    none = prepare(week.assign(day=range(300)), tmp_path / "b", split=split, time_column="day")
    assert none["tied"] == {"pairs": 0, "share": 0.0}
    assert prepare(week, tmp_path / "c")["tied"] == {"pairs": 0, "share": 0.0}


def test_a_given_split_can_be_continued(
    week: pd.DataFrame, later: pd.DataFrame, tmp_path: Path
) -> None:
    given = week.assign(part=np.arange(300) % 3)
    prepare(given, tmp_path / "week", split_column="part")
    with pytest.raises(ValueError, match=r"'split' \(--split\).*'like'"):
        prepare(later, tmp_path / "later", like=tmp_path / "week")
    prepare(
        later, tmp_path / "later", like=tmp_path / "week", split="random", ratios=(0.6, 0.2, 0.2)
    )
    before, after = splits(tmp_path / "week"), splits(tmp_path / "later")
    assert {pair: after[pair] for pair in before} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "last", "time_column": "day"}, r"'split'.*'random' \(got 'last'\)"),
        ({"ratios": (0.6, 0.2, 0.2)}, r"'ratios'.*--ratios.*\[0.8, 0.1, 0.1\]"),
        ({"seed": 1}, r"'seed' \(--seed\).*'like' \(--like\), 0 \(got 1\)"),
        ({"split_column": "part"}, r"'split_column' \(--split-column\).*'like'.*\(got 'part'\)"),
        ({"time_column": "day"}, "'time_column'"),
    ],
)
def test_options_that_contradict_the_known_data(
    week: pd.DataFrame, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    prepare(week, tmp_path / "week")
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path / "nowhere.csv", tmp_path / "later", like=tmp_path / "week", **options)
    assert not (tmp_path / "later").exists()


def test_data_that_shares_no_pairs(week: pd.DataFrame, tmp_path: Path) -> None:
    prepare(week, tmp_path / "week")
    with pytest.raises(ValueError, match=r"'like' \(--like\)"):
        prepare(week.assign(user=week["user"] + 1000), tmp_path / "later", like=tmp_path / "week")
    assert not (tmp_path / "later").exists()


def test_a_source_with_a_split_takes_no_shares() -> None:
    rule = SplitRule.resolve(None, None, None, None, None, None)
    assert rule.given("part", None).arguments == {
        "split": None, "split_column": "part", "time_column": None,
        "ratios": [0.8, 0.1, 0.1], "seed": 0,
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"'ratios'.*\(0.6, 0.2, 0.2\)"):
        rule.given("part", (0.6, 0.2, 0.2))
    for options in (("last", None, "day"), (None, "part", None)):
        with pytest.raises(ValueError, match=r"'ratios'.*\(0.6, 0.2, 0.2\)"):
            SplitRule.resolve(*options, (0.6, 0.2, 0.2), None, None)
