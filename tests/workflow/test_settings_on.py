import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.typing import EDGE_INDICES, INTERACTS
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
    changed = {"aggregation": expected, "batches_per_step": 1}
    assert settings == selected.settings("own", profile, given) | changed
    assert len(caplog.records) == (expected == "sym")


def test_models_without_an_aggregation(random_data: Callable[..., HeteroData]) -> None:
    data, selected = random_data(num_users=5, num_items=20), ModelOptions("lightgcn")
    expected = selected.settings("own", None, {}) | {"batches_per_step": 1}
    assert settings_on(data, selected, "own", None, {}) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "least"), ({"batch_size": 100}, 1), ({"batches_per_step": 3}, 3), ({"compile": True}, 1)],
)
def test_batches_per_step_are_those_of_the_data(
    random_data: Callable[..., HeteroData], given: dict[str, Any], expected: int | str
) -> None:
    data, selected = random_data(num_users=50, num_items=20), ModelOptions("bpr")
    num_interactions = data[INTERACTS].edge_index.size(1)
    assert num_interactions > 128
    settings = settings_on(data, selected, "own", None, {"batch_size": 1} | given)
    least = -(-num_interactions // 64)
    assert settings["batches_per_step"] == (least if expected == "least" else expected)


@pytest.mark.parametrize("missing", [0, 1000, 2000, -1])
def test_data_with_the_name_of_a_published_data_set(
    random_data: Callable[..., HeteroData], missing: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Its settings are those of the published data set if it may be that one."""
    data, selected = random_data(num_users=50, num_items=20), ModelOptions("lightgcn")
    given = {"batches_per_step": 1}
    held_out = sum(data[INTERACTS][split].size(1) for split in EDGE_INDICES[1:])
    edges = torch.zeros(2, 68_722 - held_out - missing, dtype=torch.long)
    data[INTERACTS].edge_index = edges
    published = selected.settings("tiktok", None, given)
    assert published != selected.settings("own", None, given)
    is_published = missing in (0, 1000)
    expected = published if is_published else selected.settings("own", None, given)
    assert settings_on(data, selected, "tiktok", None, given) == expected
    assert settings_on(data, selected, "own", None, given) == selected.settings("own", None, given)
    assert ("not the published data set" in caplog.text) == (not is_published)
