import numpy as np
import pytest

from soil_pyg.datasets.pair_filter import (
    Dropped,
    PairFilter,
    k_core,
    largest_k_core,
    latest_of_pairs,
)


def naive_k_core(pairs: list[tuple[int, int]], k: int) -> list[tuple[int, int]]:
    while True:
        users, items = [user for user, _ in pairs], [item for _, item in pairs]
        kept = [(u, i) for u, i in pairs if users.count(u) >= k and items.count(i) >= k]
        if kept == pairs:
            return pairs
        pairs = kept


@pytest.mark.parametrize("seed", range(5))
def test_k_core_is_what_dropping_one_after_another_leaves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = sorted({(int(u), int(i)) for u, i in rng.integers(0, 12, (60, 2))})
    user, item = np.array(pairs).T
    left = {}
    for k in range(1, 8):
        kept = k_core(user, item, k)
        left[k] = np.array(pairs)[kept].tolist()
        assert [tuple(pair) for pair in left[k]] == naive_k_core(pairs, k)
    assert largest_k_core(user, item) == max(k for k in left if left[k])


def test_k_core_follows_a_chain_to_its_end() -> None:
    user, item = np.arange(50).repeat(2), np.arange(100) // 2 + np.arange(100) % 2
    assert k_core(user, item, 1).all()
    assert not k_core(user, item, 2).any()


def test_of_repeated_pairs_the_latest_is_kept() -> None:
    user, item = np.array([0, 0, 0, 1, 1]), np.array([7, 7, 8, 7, 7])
    assert latest_of_pairs(user, item, None).tolist() == [True, False, True, True, False]
    kept = latest_of_pairs(user, item, np.array([1, 2, 5, 9, 3]))
    assert kept.tolist() == [False, True, True, True, False]
    assert latest_of_pairs(user, item, np.zeros(5)).sum() == 3


def test_every_step_is_counted() -> None:
    pairs = PairFilter(np.array([0, 0, 1, 2]), np.array([0, 1, 0, 1]))
    pairs.keep(np.array([True, True, False, True]), "rating")
    pairs.keep(np.array([False, True, True]), "other")
    assert pairs.dropped == [Dropped("rating", 1, 0, 1), Dropped("other", 0, 1, 1)]
    assert pairs.rows.tolist() == [1, 3]
    assert pairs.user.tolist() == [0, 2]
    assert pairs.item.tolist() == [1, 1]
