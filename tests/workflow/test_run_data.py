import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.datasets.data_folder import load_data_folder, save_data_folder
from soil_pyg.models import BPR
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import INTERACTS
from soil_pyg.workflow.run_data import load_run_data, run_transform


def test_the_folder_of_the_training_is_read_again(data_folder: Path, run_folder: Path) -> None:
    data = load_run_data(soil_pyg.load(run_folder))
    expected = load_data_folder(data_folder)
    assert torch.equal(data[INTERACTS].edge_index, expected[INTERACTS].edge_index)


def test_a_folder_that_was_moved(data_folder: Path, run_folder: Path, tmp_path: Path) -> None:
    trained = soil_pyg.load(run_folder)
    shutil.move(data_folder, tmp_path / "moved")
    with pytest.raises(FileNotFoundError, match=r"'data' \(--data\)$"):
        load_run_data(trained)
    assert load_run_data(trained, tmp_path / "moved").digest == trained.data_digest
    with pytest.raises(FileNotFoundError, match=r"nowhere'.*path$"):
        load_run_data(trained, tmp_path / "nowhere")


def test_other_data(
    data_folder: Path, run_folder: Path, tmp_path: Path, featured_data: Callable[..., HeteroData]
) -> None:
    trained = soil_pyg.load(run_folder)
    other = featured_data(2, seed=1)
    with pytest.raises(ValueError, match=r"'data'.*got digest.*1.*expected.*0"):
        load_run_data(trained, other)
    (tmp_path / "other").mkdir()
    save_data_folder(tmp_path / "other", other, None, {})
    with pytest.raises(ValueError, match=r"other'.*got digest.*1.*expected.*0"):
        load_run_data(trained, tmp_path / "other")
    shutil.rmtree(data_folder)
    shutil.move(tmp_path / "other", data_folder)
    with pytest.raises(ValueError, match=f"'{data_folder}'.*got digest"):
        load_run_data(trained)


def test_a_run_without_a_folder(
    featured_data: Callable[..., HeteroData], random_run: Callable[..., TrainedModel]
) -> None:
    data = featured_data(1)
    trained = random_run(data, "bpr")
    assert load_run_data(trained, data) is data
    with pytest.raises(ValueError, match=r"'data'$"):
        load_run_data(trained)


def test_graphs_are_those_of_the_training(
    featured_data: Callable[..., HeteroData], random_run: Callable[..., TrainedModel]
) -> None:
    data = featured_data(2)
    trained = random_run(data, "soil", k=3, k_i=2, aggregation="sym")
    user_emb, item_emb = trained.model(run_transform(trained)(data))
    assert torch.equal(user_emb, trained.user_emb)
    assert torch.equal(item_emb, trained.item_emb)


def test_graphs_of_a_run_without_their_options(
    featured_data: Callable[..., HeteroData],
    random_run: Callable[..., TrainedModel],
    edit_run: Callable[..., None],
) -> None:
    data = featured_data(2)
    trained = random_run(data, "soil", k=3)
    assert trained.folder is not None
    edit_run(trained.folder, settings={})
    with pytest.raises(ValueError, match="'aggr'"):
        run_transform(soil_pyg.load(trained.folder))(data)


def test_what_is_no_run_or_no_data_is_named(run_folder: Path, data_folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"'{run_folder}' is a run: give the data folder"):
        load_data_folder(run_folder)
    with pytest.raises(ValueError, match=r"'trained' must be a run .* model BPR\): load"):
        soil_pyg.recommend(BPR(3, 4))
