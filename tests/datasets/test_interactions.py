import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soil_pyg.datasets.interactions import check_pairs, to_hetero_data

pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=25)


@given(pairs)
def test_the_first_repetition_is_named(rows: list[tuple[int, int]]) -> None:
    user, item = np.array(rows).T
    repeated = [i for i, row in enumerate(rows) if row in rows[:i]]
    if not repeated:
        check_pairs(user, item, str)
        return
    previous = max(i for i in range(repeated[0]) if rows[i] == rows[repeated[0]])
    with pytest.raises(ValueError, match=rf"^{repeated[0]}: .*\b{previous};"):
        check_pairs(user, item, str)


@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30), st.randoms())
def test_the_data_agrees_with_loops(found: set[tuple[int, int]], random: object) -> None:
    rows = [(u, i, random.choice([0, 0, 1, 2])) for u, i in found]
    rows += [(6, 0, 0), (6, 1, 1), (6, 2, 2)]
    random.shuffle(rows)
    user, item, label = np.array(rows).T
    names = np.array([f"u{u}" for u in range(8)])
    data = to_hetero_data(user, item, label, 8, np.arange(10, 16), names)

    kept = sorted({u for u, _, kind in rows if kind == 0})
    assert data["user"].id.tolist() == [f"u{u}" for u in kept]
    assert data["user"].num_nodes == len(kept)
    assert data["item"].num_nodes == 6
    assert data["item"].id.tolist() == [10, 11, 12, 13, 14, 15]
    assert data.num_dropped_users == 8 - len(kept)
    store = data["user", "interacts", "item"]
    names = ("edge_index", "val_edge_label_index", "test_edge_label_index")
    for value, name in enumerate(names):
        expected = sorted((kept.index(u), i) for u, i, kind in rows if kind == value and u in kept)
        assert [tuple(pair) for pair in store[name].t().tolist()] == expected
        assert store[name].is_contiguous()


def test_dropped_users_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    user, item = np.array([0, 0, 0, 2, 2]), np.array([0, 1, 2, 0, 1])
    with caplog.at_level(logging.WARNING):
        to_hetero_data(user, item, np.array([0, 1, 2, 1, 2]), 3, np.arange(3), source="x.inter")
    (record,) = caplog.records
    assert record.args == ("x.inter", 2, 3, 2)


@pytest.mark.parametrize(("missing", "split"), [(0, "train"), (1, "val"), (2, "test")])
def test_an_empty_split_is_refused(missing: int, split: str) -> None:
    label = np.array([value for value in range(3) if value != missing])
    with pytest.raises(ValueError, match=rf"^x: .*{split}.*\(label {missing}\)"):
        to_hetero_data(np.array([0, 0]), np.array([0, 1]), label, 1, np.arange(2), source="x")


def test_a_split_of_dropped_users_only_is_refused() -> None:
    user, item, label = np.array([0, 0, 1]), np.arange(3), np.array([0, 1, 2])
    with pytest.raises(ValueError, match=r"the interactions: .*test"):
        to_hetero_data(user, item, label, 2, np.arange(3))
