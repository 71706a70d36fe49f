from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from soil_pyg.ops.attractiveness_rows import AttractivenessRows
from soil_pyg.ops.collector import Features
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.ops.second_order_items import SecondOrderSelection
from soil_pyg.ops.similarity_pass import SimilarityPass
from soil_pyg.ops.topk import ROUNDING

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
    key, weight = pools.best()
    expected = naive(product.round(7), USER, ITEM, 2, aggr, excluded)
    assert [(k // 14, k % 14) for k in key.tolist()] == sorted(expected)
    np.testing.assert_allclose(weight, [expected[k] for k in sorted(expected)], atol=1e-6)


def test_rows_that_start_empty_are_made_as_they_are_asked_for(make_features: Callable) -> None:
    features = make_features()
    whole, empty = (AttractivenessRows(features, memory_budget=2**20) for _ in range(2))
    SimilarityPass(features).run(whole)
    whole.finish()
    found = [
        SecondOrderSelection(rows, USER, ITEM, NUM_USERS, 3, "sum", False, "drop").best()
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


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    k_a=st.sampled_from([1, 12, 15, 16, 17, 18, 30]),
    aggr=st.sampled_from(["max", "sum"]),
    excluded=st.booleans(),
    group_size=st.sampled_from([9, 25]),
    noise=st.sampled_from([0.0, 1e-6, 0.3]),
    memory_budget=st.sampled_from([1, 2**30]),
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
    # Users of one to six items, and one without any.
    sizes = [1, 2, 6, 0, 1, 3, 4]
    pairs = [
        (user, int(chosen))
        for user, size in enumerate(sizes)
        for chosen in np.sort(rng.choice(num_items, size=size, replace=False))
    ]
    user, item = torch.tensor(pairs).t()
    rows = AttractivenessRows(features, memory_budget)
    if not starts_empty:
        SimilarityPass(features, SearchOptions(memory_budget=memory_budget)).run(rows)
        rows.finish()
    every = torch.arange(num_items)
    product = rows.exact(every.repeat_interleave(num_items), every.repeat(num_items))
    s_a = product.view(num_items, num_items).double().numpy()
    s_a[np.isneginf(s_a)] = np.nan
    expected = naive(s_a, user, item, k_a, aggr, excluded)
    selection = SecondOrderSelection(rows, user, item, num_users, k_a, aggr, excluded, "drop")
    key, weight = selection.best()
    assert [divmod(k, num_items) for k in key.tolist()] == sorted(expected)
    np.testing.assert_allclose(weight, [expected[k] for k in sorted(expected)], atol=1e-5)


@pytest.mark.parametrize("aggr", ["max", "sum"])
@pytest.mark.parametrize("starts_empty", [False, True])
@pytest.mark.parametrize(
    ("items", "k_a"), [([0, 25], 28), ([0, 25], 38), ([3], 15), ([3], 16), ([3], 1), ([24, 49], 1)]
)
def test_ties_beyond_the_first_entries_of_several_rows(
    aggr: str, starts_empty: bool, items: list[int], k_a: int
) -> None:
    # Two groups of 25 equal items: the rows of both groups end in the same value.
    c = torch.tensor([[1.0, 0.0], [0.6, 0.8]]).repeat_interleave(25, dim=0)
    rows = AttractivenessRows({"image": (c, torch.ones(50, dtype=torch.bool))}, memory_budget=1)
    if not starts_empty:
        SimilarityPass(rows.features).run(rows)
        rows.finish()
    user, item = torch.zeros(len(items), dtype=torch.long), torch.tensor(items)
    s_a = (c.double() @ c.double().t()).numpy().round(6)
    expected = naive(s_a, user, item, k_a, aggr, False)
    selection = SecondOrderSelection(rows, user, item, 1, k_a, aggr, False, "drop")
    key, weight = selection.best()
    assert [(0, k) for k in key.tolist()] == sorted(expected)
    np.testing.assert_allclose(weight, [expected[k] for k in sorted(expected)], atol=1e-5)


@pytest.mark.parametrize("aggr", ["max", "sum"])
def test_rounding_of_some_rows_hides_no_entries_of_others(aggr: str) -> None:
    # Three groups of equal items, of which the first has more than the first entries of a row.
    c = torch.eye(3).repeat_interleave(torch.tensor([25, 15, 15]), dim=0)
    rows = AttractivenessRows({"image": (c, torch.ones(55, dtype=torch.bool))})
    similarity = c @ c.t()
    similarity[25:] *= 1 + 0.45 * ROUNDING
    rows.add_block(slice(0, 55), {"image": similarity})
    rows.finish()
    user, item = torch.zeros(3, dtype=torch.long), torch.tensor([0, 25, 40])
    key, weight = SecondOrderSelection(rows, user, item, 1, 17, aggr, False, "drop").best()
    assert key.tolist() == list(range(20))
    assert weight.tolist() == [1.0] * 20
