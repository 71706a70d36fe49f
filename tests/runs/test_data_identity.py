import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.runs import data_identity as module
from soil_pyg.runs.data_identity import data_identity
from soil_pyg.typing import INTERACTS, ITEM

OPTIONS: dict[str, Any] = {"model": "bpr", "epochs": 2, "device": "cpu", "progress": False}
PARTS = ["train", "val", "test", "features", "ids", "type"]


def without_digest(data: HeteroData) -> HeteroData:
    data = copy.copy(data)
    del data["digest"], data["name"]
    return data


def changed(data: HeteroData, part: str) -> HeteroData:
    data = copy.deepcopy(data)
    edges = {"train": "edge_index"} | {s: f"{s}_edge_label_index" for s in ("val", "test")}
    if part in edges:
        data[INTERACTS][edges[part]] = data[INTERACTS][edges[part]].flip(1)
    elif part == "features":
        data[ITEM].x_image[0] += 1
    elif part == "ids":
        data[ITEM].id = np.array([f"x{i}" for i in range(data[ITEM].num_nodes)])
    else:
        data[ITEM].x_image = data[ITEM].x_image.to(torch.bfloat16)
    return data


@pytest.mark.parametrize("part", PARTS)
def test_a_change_of_any_part_changes_the_digest(
    part: str, featured_data: Callable[..., HeteroData], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = featured_data(1)
    expected, other = data_identity(data), data_identity(changed(data, part))
    differs = {"held_out"} if part in ("val", "test") else {"content"}
    assert {key for key in expected if expected[key] != other[key]} == differs
    monkeypatch.setattr(module, "_BLOCK_BYTES", 7)
    assert data_identity(copy.deepcopy(data)) == expected


@pytest.mark.parametrize("with_digest", [True, False])
@pytest.mark.parametrize("part", PARTS[:-1])
def test_a_run_on_changed_data_is_another_run(
    part: str, with_digest: bool, featured_data: Callable[..., HeteroData], tmp_path: Path
) -> None:
    data = featured_data(1) if with_digest else without_digest(featured_data(1))
    result = soil_pyg.train(data, tmp_path, **OPTIONS)
    assert soil_pyg.train(copy.deepcopy(data), tmp_path, **OPTIONS) == result
    name = "held_out" if part in ("val", "test") else "content"
    with pytest.raises(ValueError, match=rf"differs \(data\.{name}: .* now\)"):
        soil_pyg.train(changed(data, part), tmp_path, **OPTIONS)


def test_runs_of_earlier_versions_know_the_digest_alone(
    data: HeteroData, tmp_path: Path, edit_run: Callable[..., None]
) -> None:
    result = soil_pyg.train(data, tmp_path, **OPTIONS)
    edit_run(tmp_path, data={"name": "random", "digest": "digest 0"})
    assert soil_pyg.train(data, tmp_path, **OPTIONS) == result


def test_data_of_ones_own_is_compared_by_its_content(
    featured_data: Callable[..., HeteroData], tmp_path: Path
) -> None:
    data = without_digest(featured_data(1))
    soil_pyg.train(data, tmp_path, **OPTIONS)
    expected = soil_pyg.evaluate(tmp_path, data=data)
    # Another selection of held-out interactions may be evaluated.
    for part in ("val", "test"):
        found = soil_pyg.evaluate(tmp_path, data=changed(data, part))
        pd.testing.assert_frame_equal(found, expected)
    for part in ("train", "features", "ids"):
        with pytest.raises(ValueError, match=r"'data' is not the data .*interactions, features"):
            soil_pyg.evaluate(tmp_path, data=changed(data, part))
