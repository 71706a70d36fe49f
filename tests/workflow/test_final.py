from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg import train
from soil_pyg.datasets.data_folder import load_data_folder
from soil_pyg.reports.runs import find_runs
from soil_pyg.runs.trained_pairs import trained_hashes
from soil_pyg.typing import EDGE_INDICES, INTERACTS
from soil_pyg.workflow.final import without_held_out
from soil_pyg.workflow.run_data import load_run_data

SHORT: dict[str, Any] = {"hidden_channels": 4, "progress": False, "device": "cpu"}


def pairs(data: HeteroData, *names: str) -> set[tuple[int, int]]:
    return {(u, i) for name in names for u, i in data[INTERACTS][name].t().tolist()}


@pytest.fixture
def validated(data_folder: Path, tmp_path: Path) -> Path:
    train(data_folder, tmp_path / "run", "lightgcn", seed=3, lr=0.1, epochs=3, **SHORT)
    return tmp_path / "run"


def test_all_interactions_are_in_the_train_split(data: HeteroData) -> None:
    merged = without_held_out(data)
    edge_index = merged[INTERACTS].edge_index.t().tolist()
    assert edge_index == sorted(map(list, pairs(data, *EDGE_INDICES)))
    assert pairs(merged, *EDGE_INDICES[1:]) == set()
    assert len(pairs(data, *EDGE_INDICES[1:])) > 0


def test_the_final_run_repeats_the_validated_one_on_all_interactions(
    data_folder: Path, validated: Path, tmp_path: Path
) -> None:
    result = train(data_folder, tmp_path / "final", final=validated, device="cpu", progress=False)
    run = soil_pyg.load(validated)
    assert result.epochs == result.best_epoch == run.run["best_epoch"]
    assert (result.val, result.test) == ({}, {})
    final = soil_pyg.load(tmp_path / "final")
    settings = {**final.settings, "final": None, "epochs": 3}
    assert settings == {**run.settings, "final": None}
    assert final.run["trainer"]["seed"] == 3
    data = load_run_data(final)
    assert pairs(data, "edge_index") == pairs(load_data_folder(data_folder), *EDGE_INDICES)
    assert len(trained_hashes(final)) == data[INTERACTS].edge_index.size(1)
    model = final.model.eval()
    graphs = type(model).graph_transform()(data)
    assert torch.allclose(model(graphs)[0], final.user_emb)


def test_later_steps_know_a_final_run(data_folder: Path, validated: Path, tmp_path: Path) -> None:
    train(data_folder, tmp_path / "final", final=validated, device="cpu", progress=False)
    assert soil_pyg.explain(tmp_path / "final", 0, "item 1").parts["value"].notna().all()
    top = soil_pyg.recommend(tmp_path / "final", k=25, exclude_seen="train")
    pd.testing.assert_frame_equal(top, soil_pyg.recommend(tmp_path / "final", k=25))
    with pytest.raises(ValueError, match=r"'trained'.*final', which was trained on all"):
        soil_pyg.evaluate(tmp_path / "final")
    with pytest.raises(ValueError, match=r"final' is a run on all interactions"):
        find_runs(tmp_path / "final")
    assert [run.folder.name for run in find_runs(tmp_path)[0]] == ["run"]


def test_data_without_held_out_interactions(
    validated: Path, tmp_path: Path, data_folder: Path, refused: Callable[..., Any]
) -> None:
    frame = pd.DataFrame({"user": [*"aabbcc"], "item": [*"xyxyzx"]})
    soil_pyg.prepare(frame, tmp_path / "all", ratios=(1, 0, 0))
    with pytest.raises(ValueError, match=r"'data' must hold out.*--ratios.*--final"):
        train(tmp_path / "all", tmp_path / "new", "lightgcn", **SHORT)
    train(tmp_path / "all", tmp_path / "new", final=validated, progress=False, device="cpu")
    assert len(soil_pyg.recommend(tmp_path / "new", exclude_seen="none")) == 9
    for options in ({"model": "bpr"}, {"profile": "paper"}):
        with pytest.raises(ValueError, match=rf"'{next(iter(options))}'.*'final'"):
            train(data_folder, tmp_path / "other", final=validated, progress=False, **options)
    with pytest.raises(ValueError, match=r"'final' must be a finished run.*new'"):
        train(data_folder, tmp_path / "other", final=tmp_path / "new", progress=False)
