import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import soil_pyg
from soil_pyg import compare, train


def test_what_sets_runs_apart(run_folder: Path, data_folder: Path, tmp_path: Path) -> None:
    options = {"epochs": 2, "progress": False, "device": "cpu"}
    other = tmp_path / "lightgcn"
    train(data_folder, other, "lightgcn", seed=1, hidden_channels=4, lr=0.01, **options)
    frame = compare([run_folder, other])
    assert list(frame)[:3] == ["run", "model", "data"]
    assert frame["run"].tolist() == [str(run_folder), str(other)]
    assert frame["model"].tolist() == ["bpr", "lightgcn"]
    assert frame["data"].tolist() == ["random digest 0"] * 2
    assert frame["lr"].tolist() == [0.001, 0.01]
    assert frame["seed"].tolist() == [0, 1]
    assert frame["num_layers"].isna().tolist() == [True, False]
    assert not {"hidden_channels", "epochs", "batch_size", "ks", "device"} & set(frame)
    for row, folder in enumerate([run_folder, other]):
        metrics = soil_pyg.load(folder).metrics
        assert frame["test recall@20"][row] == metrics["test"]["recall@20"]
        assert frame["val ndcg@5"][row] == metrics["val"]["ndcg@5"]


def test_equal_runs_differ_in_nothing(run_folder: Path) -> None:
    frame = compare([run_folder, run_folder])
    names = [name for name in frame if "@" not in name]
    assert names == ["run", "model", "data", "trained_epochs", "best_epoch", "seconds"]


def test_runs_that_are_not_there(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'runs'.*\(got \[\]\)"):
        compare([])
    with pytest.raises(FileNotFoundError, match="nowhere'"):
        compare([run_folder, tmp_path / "nowhere"])
    with pytest.raises(FileNotFoundError, match=r"'runs'.*at least one.*no run\.json"):
        compare([tmp_path / "data"])
    (run_folder / "run.json").write_text("{}")
    with pytest.raises(ValueError, match=r"run\.json'"):
        compare([run_folder])


def test_what_is_no_finished_run_is_skipped(
    run_folder: Path,
    data_folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    edit_run: Callable[..., None],
) -> None:
    shutil.copytree(run_folder, tmp_path / "half")
    edit_run(tmp_path / "half", finished=False)
    (tmp_path / "page.html").write_text("")
    others = [tmp_path / "half", tmp_path / "page.html", data_folder]
    assert compare([*others, run_folder])["run"].tolist() == [str(run_folder)]
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[0] for line in lines] == [f"Skipped '{path}'" for path in others]
