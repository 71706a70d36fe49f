import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soil_pyg.datasets.split import check_split, last_split, random_split, time_split

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
    time = np.array(draw.draw(times))
    expected = np.zeros(len(user), dtype=int)
    for u in set(user.tolist()):
        rows = sorted(np.flatnonzero(user == u), key=lambda row: (time[row], row))
        if len(rows) >= 3:
            expected[rows[-1]], expected[rows[-2]] = 2, 1
    assert last_split(user, time).tolist() == expected.tolist()


def test_time_split_cuts_at_two_times() -> None:
    time = np.arange(20)[::-1]
    assert np.bincount(time_split(time, RATIOS)).tolist() == [16, 2, 2]
    assert time_split(time, RATIOS)[:4].tolist() == [2, 2, 1, 1]


def test_time_split_never_separates_equal_times() -> None:
    time = np.array([1, 1, 1, 1, 1, 1, 1, 2, 2, 2])
    assert time_split(time, RATIOS).tolist() == [0] * 7 + [2] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((None, None, None, (0.8, 0.2)), r"'ratios' .*\(got \(0.8, 0.2\)\)"),
        ((None, None, None, (0.8, 0.1, 0.2)), r"'ratios' .*\(got \(0.8, 0.1, 0.2\)\)"),
        ((None, None, None, (1.0, 0.0, 0.0)), r"'ratios' .*\(got \(1.0, 0.0, 0.0\)\)"),
        (("s", "random", None, RATIOS), r"'split' .*'split_column' \(got 'random'\)"),
        ((None, "rando", None, RATIOS), r"'split' .*'random', 'last', 'time' \(got 'rando'\)"),
        ((None, "last", None, RATIOS), "'time_column' .*split 'last' and time_column None"),
        ((None, "time", None, RATIOS), "'time_column' .*split 'time' and time_column None"),
        ((None, "random", "t", RATIOS), "'time_column' .*split 'random' and time_column 't'"),
        ((None, None, "t", RATIOS), "'time_column' .*split None and time_column 't'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_split(*options)
