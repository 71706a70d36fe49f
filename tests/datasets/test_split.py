import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soil_pyg.datasets.ids import Ids
from soil_pyg.datasets.split import (
    check_split,
    is_tied,
    last_split,
    random_split,
    split_pairs,
    time_split,
)

RATIOS = (0.8, 0.1, 0.1)
users = st.lists(st.integers(0, 5), min_size=1, max_size=60).map(lambda ids: np.array(sorted(ids)))


@given(users, st.integers(0, 3))
def test_random_split_has_the_documented_sizes(user: np.ndarray, seed: int) -> None:
    label = random_split(user, RATIOS, seed)
    assert label.tolist() == random_split(user, RATIOS, seed).tolist()
    for u in set(user.tolist()):
        n = int((user == u).sum())
        held_out = max(1, n // 10) if n >= 3 else 0
        counts = np.bincount(label[user == u], minlength=3).tolist()
        assert counts == [n - 2 * held_out, held_out, held_out]


def test_random_split_is_exact_for_multiples_of_ten() -> None:
    for n in range(10, 1000, 10):
        counts = np.bincount(random_split(np.zeros(n, dtype=int), RATIOS, 0)).tolist()
        assert counts == [n * 8 // 10, n // 10, n // 10]


def test_random_split_keeps_a_training_interaction() -> None:
    label = random_split(np.zeros(5, dtype=int), (0.05, 0.9, 0.05), 0)
    assert sorted(label.tolist()) == [0, 1, 1, 1, 2]


def test_random_split_depends_on_the_seed() -> None:
    user = np.repeat(np.arange(20), 10)
    assert random_split(user, RATIOS, 0).tolist() != random_split(user, RATIOS, 1).tolist()


@given(users, st.data())
def test_last_split_agrees_with_a_loop(user: np.ndarray, draw: st.DataObject) -> None:
    times = st.lists(st.integers(0, 4), min_size=len(user), max_size=len(user))
    time, tie_break = (
        np.array(draw.draw(times)),
        np.array(draw.draw(st.permutations(range(len(user))))),
    )
    order = np.array(draw.draw(st.permutations(range(len(user)))))
    expected = np.zeros(len(user), dtype=int)
    for u in set(user.tolist()):
        rows = sorted(np.flatnonzero(user == u), key=lambda row: (time[row], tie_break[row]))
        if len(rows) >= 3:
            expected[rows[-1]], expected[rows[-2]] = 2, 1
    label = last_split(user[order], time[order], tie_break[order])
    assert label.tolist() == expected[order].tolist()


@given(st.lists(st.integers(0, 4), min_size=3, max_size=40), st.randoms(use_true_random=False))
def test_time_split_agrees_with_a_loop(times: list[int], random: Random) -> None:
    tie_break = list(range(len(times)))
    random.shuffle(tie_break)
    rows = sorted(range(len(times)), key=lambda row: (times[row], tie_break[row]))
    num_train = math.floor(len(times) * 0.6 + 1e-9)
    num_seen = min(math.floor(len(times) * 0.8 + 1e-9), len(times) - 1)
    expected = np.empty(len(times), dtype=int)
    expected[rows] = [0] * num_train + [1] * (num_seen - num_train) + [2] * (len(times) - num_seen)
    label = time_split(np.array(times), np.array(tie_break), (0.6, 0.2, 0.2))
    assert label.tolist() == expected.tolist()


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=30), st.booleans())
def test_tied_pairs_agree_with_a_loop(rows: list[tuple[int, int, int]], of_users: bool) -> None:
    label, time, user = np.array(rows).T
    expected = [
        any(a != d and b == e and (c == f or not of_users) for d, e, f in rows) for a, b, c in rows
    ]
    got = is_tied(label, time, user if of_users else None)
    assert got.tolist() == expected


def test_no_pairs_are_tied() -> None:
    none = np.zeros(0, dtype=int)
    assert is_tied(none, none).tolist() == []


def pairs(num_users: int = 40, num_items: int = 30) -> tuple[Ids, Ids]:
    rng = np.random.default_rng(0)
    item = np.concatenate([rng.permutation(num_items)[:10] for _ in range(num_users)])
    names = np.array([f"i{place:02}" for place in range(num_items)])
    return Ids(np.repeat(np.arange(num_users), 10), np.arange(num_users) * 7), Ids(item, names)


@pytest.mark.parametrize("split", ["random", "last", "time"])
@pytest.mark.parametrize("num_times", [1, 3])
def test_a_split_does_not_depend_on_the_order_of_the_rows(split: str, num_times: int) -> None:
    user, item = pairs()
    time = np.arange(400) % num_times
    label = split_pairs(user, item, split, time, RATIOS, 0)
    order = np.random.default_rng(1).permutation(400)
    shuffled = (Ids(ids.position[order], ids.values) for ids in (user, item))
    assert split_pairs(*shuffled, split, time[order], RATIOS, 0).tolist() == label[order].tolist()
    assert split_pairs(user, item, split, time, RATIOS, 1).tolist() != label.tolist()


@pytest.mark.parametrize("split", ["last", "time"])
def test_equal_times_are_broken_at_random_whatever_the_numbers_of_the_ids(split: str) -> None:
    user, item = pairs()
    time = np.zeros(400)
    label = split_pairs(user, item, split, time, RATIOS, 0)
    assert np.bincount(label).tolist() == [320, 40, 40]
    # The mean place of 40 of 30 items at random is 14.5 with a standard deviation of 1.4.
    assert 10 < item.position[label == 2].mean() < 19
    assert 10 < item.position[label == 1].mean() < 19
    assert is_tied(label, time, user.position if split == "last" else None).all()
    reversed_items = Ids(29 - item.position, item.values[::-1])
    assert split_pairs(user, reversed_items, split, time, RATIOS, 0).tolist() == label.tolist()
    more_users = Ids(user.position + 1, np.array(["a", *user.values]))
    assert split_pairs(more_users, item, split, time, RATIOS, 0).tolist() == label.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((None, None, None, (0.8, 0.2)), r"'ratios' .*\(got \(0.8, 0.2\)\)"),
        ((None, None, None, 0.8), r"'ratios' .*\(got 0.8\)"),
        ((None, None, None, (0.8, math.nan, 0.1)), r"'ratios' .*\(got nan\)"),
        ((None, None, None, (0.8, 0.1, 0.2)), r"'ratios' .*\(got \(0.8, 0.1, 0.2\)\)"),
        ((None, None, None, (0.9, 0.1, 0.0)), r"'ratios' .*\(got \(0.9, 0.1, 0.0\)\)"),
        (("s", "random", None, RATIOS), r"'split' .*'split_column' .*\(got 'random'\)"),
        ((None, "rando", None, RATIOS), r"'split' .*'random', 'last', 'time' \(got 'rando'\)"),
        ((None, "last", None, RATIOS), "split 'last' requires 'time_column'"),
        ((None, "time", None, RATIOS), "split 'time' requires 'time_column'"),
        ((None, "random", "t", RATIOS), "'time_column' .*split 'random' and time_column 't'"),
        ((None, None, "t", RATIOS), "'time_column' .*split None and time_column 't'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_split(*options)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_random_split_does_not_depend_on_the_blocks(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = np.sort(np.random.default_rng(0).integers(20, size=200))
    expected = random_split(user, RATIOS, 3)
    monkeypatch.setattr("soil_pyg.datasets.split.PAIRS_PER_BLOCK", size)
    assert random_split(user, RATIOS, 3).tolist() == expected.tolist()
