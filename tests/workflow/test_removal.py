from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch_geometric.data import HeteroData

from soil_pyg import cli
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import INTERACTS
from soil_pyg.workflow.removal import removal_effects


def dense_score(trained: TrainedModel, pairs: np.ndarray, user: int, item: int) -> float:
    """The score of LightGCN with two layers by matrices of all users and items."""
    num_users = len(trained.user_id)
    size = num_users + len(trained.item_id)
    adjacency = np.zeros((size, size))
    for u, i in pairs.T:
        adjacency[u, num_users + i] = adjacency[num_users + i, u] = 1
    degree = adjacency.sum(1)
    scale = np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1)), 0)
    weight = scale[:, None] * adjacency * scale
    state = trained.model.state_dict()
    x = np.concatenate([state[f"{kind}_embedding.weight"].double() for kind in ("user", "item")])
    final = (x + weight @ x + weight @ weight @ x) / 3
    return float(final[user] @ final[num_users + item])


def test_effects_are_those_of_the_definition(
    featured_data: Callable[..., HeteroData], random_run: Callable[..., TrainedModel]
) -> None:
    data = featured_data(2)
    trained = random_run(data, "lightgcn", num_layers=2)
    pairs = data[INTERACTS].edge_index.numpy()
    user, item = 7, 2
    frame = removal_effects(trained, trained.user_id[user], "item 2", data)
    whole = dense_score(trained, pairs, user, item)
    expected = {}
    for edge in np.flatnonzero(pairs[0] == user):
        rest = dense_score(trained, np.delete(pairs, edge, axis=1), user, item)
        expected[trained.item_id[pairs[1, edge]]] = whole - rest
    assert len(expected) > 2
    assert dict(zip(frame["via"], frame["value"], strict=True)) == pytest.approx(expected, abs=1e-6)
    assert frame["value"].is_monotonic_decreasing
    assert data[INTERACTS].edge_index.size(1) == pairs.shape[1]


@pytest.mark.parametrize("spec", ["soil", "bpr", "itemknn"])
def test_any_model(
    featured_data: Callable[..., HeteroData], random_run: Callable[..., TrainedModel], spec: str
) -> None:
    data = featured_data(2)
    frame = removal_effects(random_run(data, spec), 70, "item 2", data)
    # The score of a factorisation does not depend on the interactions.
    assert (frame["value"] == 0).all() == (spec == "bpr")


def test_wrong_ids(
    featured_data: Callable[..., HeteroData], random_run: Callable[..., TrainedModel]
) -> None:
    data = featured_data(2)
    trained = random_run(data, "bpr")
    for user, item, name in ((7, "item 2", "user"), (70, "beer", "item")):
        with pytest.raises(ValueError, match=f"'{name}'"):
            removal_effects(trained, user, item, data)


def test_command(run_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    argv = ["explain", str(run_folder), "--user", "70", "--item", "item 2", "--by", "removal"]
    assert cli.main([*argv, "--format", "csv"]) == 0
    out = capfd.readouterr().out
    assert out.splitlines()[0] == "via,value"
    assert len(out.splitlines()) == 1 + len(removal_effects(run_folder, 70, "item 2"))
