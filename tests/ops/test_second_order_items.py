from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from soil_pyg.ops.attractiveness_rows import AttractivenessRows
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.ops.second_order_items import SecondOrderSelection
from soil_pyg.ops.similarity_pass import Features, SimilarityPass

NUM_USERS = 6
USER = torch.tensor([0, 0, 1, 2, 2, 2, 4, 4])
ITEM = torch.tensor([1, 3, 0, 7, 8, 10, 2, 12])


def naive(
    product: np.ndarray, user: Tensor, item: Tensor, k_a: int, aggr: str, excluded: bool
) -> dict[tuple[int, int], float]:
    """The definition: one pool per user, its best entries, ties by the smaller item."""
    num_items = len(product)
    out: dict[tuple[int, int], float] = {}
    for owner in user.unique().tolist():
        items = item[user == owner].tolist()
        pool = []
        for column in range(num_items):
            if excluded and column in items:
                continue
            values = [product[i, column] for i in items]
            pool += [(-v, column) for v in values if not np.isnan(v) and v > 0]
        if aggr == "max":
            best: dict[int, float] = {}
            for negated, column in pool:
                best[column] = min(negated, best.get(column, np.inf))
            pool = [(negated, column) for column, negated in best.items()]
        take = k_a if excluded else min(k_a + len(items), num_items)
        for negated, column in sorted(pool)[:take]:
            out[owner, column] = out.get((owner, column), 0.0) - negated
    return out


@pytest.mark.parametrize("memory_budget", [1, 2**30])
@pytest.mark.parametrize("aggr", ["max", "sum"])
@pytest.mark.parametrize("excluded", [True, False])
def test_equals_the_definition(
    make_features: Callable, cosines: Callable, memory_budget: int, aggr: str, excluded: bool
) -> None:
    features = make_features()
    product = np.ones((14, 14))
    shared = np.zeros((14, 14), dtype=bool)
    for similarity in cosines(features).values():
        product = product * np.where(np.isnan(similarity), 1.0, similarity)
        shared |= ~np.isnan(similarity)
    product[~shared] = np.nan
    rows = AttractivenessRows(features, memory_budget)
    SimilarityPass(features, SearchOptions(memory_budget=memory_budget)).run(rows)
    rows.finish()
    pools = SecondOrderSelection(rows, USER, ITEM, NUM_USERS, 2, aggr, excluded, "drop")
    key, weight = pools.best(memory_budget)
    expected = naive(product.round(7), USER, ITEM, 2, aggr, excluded)
    assert [(k // 14, k % 14) for k in key.tolist()] == sorted(expected)
    np.testing.assert_allclose(weight, [expected[k] for k in sorted(expected)], atol=1e-6)


def test_rows_that_start_empty_are_made_as_they_are_asked_for(make_features: Callable) -> None:
    features = make_features()
    whole, empty = AttractivenessRows(features), AttractivenessRows(features)
    SimilarityPass(features).run(whole)
    whole.finish()
    empty.start_empty()
    found = [
        SecondOrderSelection(rows, USER, ITEM, NUM_USERS, 3, "sum", False, "drop").best(2**20)
        for rows in (whole, empty)
    ]
    assert found[0][0].equal(found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])


def clustered_features(
    rng: np.random.Generator, num_items: int, group_size: int, noise: float
) -> Features:
    """Groups of items that are alike, so that many similarities lie near each other."""
    group = rng.integers(max(1, num_items // group_size), size=num_items)
    features = {}
    for modality, channels in {"image": 6, "text": 4}.items():
        centre = np.abs(rng.standard_normal((num_items, channels)))
        x = centre[group] + noise * rng.standard_normal((num_items, channels))
        x[rng.random(num_items) < 0.1] = 0
        c = torch.nn.functional.normalize(torch.from_numpy(x).float())
        features[modality] = c, c.norm(dim=1) > 0
    return features


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    k_a=st.sampled_from([1, 12, 15, 16, 17, 18, 30]),
    aggr=st.sampled_from(["max", "sum"]),
    excluded=st.booleans(),
    group_size=st.sampled_from([9, 25]),
    noise=st.sampled_from([0.0, 1e-7, 1e-6, 0.3]),
    memory_budget=st.sampled_from([1, 2**14, 2**30]),
    starts_empty=st.booleans(),
)
def test_rows_of_more_than_the_first_entries_near_the_bound(
    seed: int,
    k_a: int,
    aggr: str,
    excluded: bool,
    group_size: int,
    noise: float,
    memory_budget: int,
    starts_empty: bool,
) -> None:
    rng = np.random.default_rng(seed)
    num_items, num_users = int(rng.integers(20, 70)), 7
    features = clustered_features(rng, num_items, group_size, noise)
    pairs = sorted({(u, int(i)) for u in range(num_users) for i in rng.integers(num_items, size=4)})
    pairs = [(user, item) for user, item in pairs if user != 3]
    user, item = torch.tensor(pairs).t()
    rows = AttractivenessRows(features, memory_budget)
    if starts_empty:
        rows.start_empty()
    else:
        SimilarityPass(features, SearchOptions(memory_budget=memory_budget)).run(rows)
        rows.finish()
    every = torch.arange(num_items)
    product = rows.exact(every.repeat_interleave(num_items), every.repeat(num_items))
    s_a = product.view(num_items, num_items).double().numpy()
    s_a[np.isneginf(s_a)] = np.nan
    expected = naive(s_a, user, item, k_a, aggr, excluded)
    selection = SecondOrderSelection(rows, user, item, num_users, k_a, aggr, excluded, "drop")
    key, weight = selection.best(memory_budget)
    assert [divmod(k, num_items) for k in key.tolist()] == sorted(expected)
    np.testing.assert_allclose(weight, [expected[k] for k in sorted(expected)], atol=1e-5)
