from collections.abc import Callable

import numpy as np
import pytest
import torch

from soil_pyg.ops.attractiveness_rows import AttractivenessRows
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.ops.second_order_items import SecondOrderSelection
from soil_pyg.ops.similarity_pass import SimilarityPass

NUM_USERS = 6
USER = torch.tensor([0, 0, 1, 2, 2, 2, 4, 4])
ITEM = torch.tensor([1, 3, 0, 7, 8, 10, 2, 12])


def naive(product: np.ndarray, k_a: int, aggr: str, excluded: bool) -> dict[tuple, float]:
    """The definition: a pool a user, its best entries, equal ones by the smaller item."""
    num_items = len(product)
    out = {}
    for user in range(NUM_USERS):
        items = ITEM[user == USER].tolist()
        pool = []
        for column in range(num_items):
            if excluded and column in items:
                continue
            values = [product[item, column] for item in items]
            pool += [(-v, column) for v in values if not np.isnan(v) and v > 0]
        if aggr == "max":
            best: dict[int, float] = {}
            for negated, column in pool:
                best[column] = min(negated, best.get(column, np.inf))
            pool = [(negated, column) for column, negated in best.items()]
        take = k_a if excluded else min(k_a + len(items), num_items)
        for negated, column in sorted(pool)[:take]:
            out[user, column] = out.get((user, column), 0.0) - negated
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
    expected = naive(product.round(7), 2, aggr, excluded)
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
