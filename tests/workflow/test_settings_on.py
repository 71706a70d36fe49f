import logging
from collections.abc import Callable
from typing import Any

import pytest
from torch_geometric.data import HeteroData

from soil_pyg.workflow.options import ModelOptions
from soil_pyg.workflow.settings_on import settings_on


@pytest.mark.parametrize(
    ("num_users", "profile", "given", "expected"),
    [
        (20, "released", {}, "sym_user_index"),
        (20, "released", {"aggregation": "sym_user_index"}, "sym_user_index"),
        (19, "released", {}, "sym"),
        (19, "best", {"k": 3}, "sym"),
        (19, "paper", {}, "sum"),
        (19, "released", {"aggregation": "sum"}, "sum"),
        (19, "paper", {"aggregation": "sym_user_index"}, None),
    ],
)
def test_more_items_than_users(
    random_data: Callable[..., HeteroData],
    num_users: int,
    profile: str,
    given: dict[str, Any],
    expected: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The released aggregation is replaced unless it is asked for, and nothing else changes."""
    data, selected = random_data(num_users=num_users, num_items=20), ModelOptions("soil")
    if expected is None:
        with pytest.raises(ValueError, match=r"'aggregation'.*\(got 'sym_user_index' for 19 users"):
            settings_on(data, selected, "own", profile, given)
        return
    with caplog.at_level(logging.WARNING, "soil_pyg"):
        settings = settings_on(data, selected, "own", profile, given)
    assert settings == selected.settings("own", profile, given) | {"aggregation": expected}
    assert len(caplog.records) == (expected == "sym")


def test_models_without_an_aggregation(random_data: Callable[..., HeteroData]) -> None:
    data, selected = random_data(num_users=5, num_items=20), ModelOptions("lightgcn")
    assert settings_on(data, selected, "own", None, {}) == selected.settings("own", None, {})
