"""Folders of runs in the form that earlier versions have written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

import soil_pyg
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.models import BPR, SOIL
from soil_pyg.runs import checkpoint
from soil_pyg.runs.compatibility import (
    ADDED_SETTINGS,
    OF_TRAIN,
    RENAMED_SETTINGS,
    upgrade_record,
)
from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.trainer import Trainer

OPTIONS: dict[str, Any] = {"hidden_channels": 4, "epochs": 3, "batch_size": 32}

TODAY = {"compile": False, "evaluate": "current", "num_partitions": 4, "batches_per_step": 1}
"""The settings of the trainer that a record with parts has today."""


def rename(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}


def old_record(record: dict[str, Any], with_added: bool) -> dict[str, Any]:
    """Returns a record with the former names, and without settings that were added later."""
    out = rename(record, {"val": "valid"})
    if "history" in out:
        out["history"] = [rename(epoch, {"val": "valid"}) for epoch in out["history"]]
    for group in ("settings", "trainer", "options"):
        if group in out:
            added = set() if with_added else ADDED_SETTINGS.keys()
            kept = {name: value for name, value in out[group].items() if name not in added}
            out[group] = rename(kept, {new: old for old, new in RENAMED_SETTINGS.items()})
    return out


def make_old(folder: Path, with_added: bool = False) -> None:
    """Rewrites the records in the folder of a run as earlier versions did."""
    path = folder / checkpoint.RUN
    if path.exists():
        record = json.loads(path.read_text())
        del record["checksum"]
        path.write_text(json.dumps(old_record(record, with_added)))
    state = folder / checkpoint.STATE
    if state.exists():
        tensors, metadata = checkpoint.load_tensors(state)
        metadata = {name: old_record(value, with_added) for name, value in metadata.items()}
        header = {"format": 1, "sparse": {}, "metadata": metadata}
        save_file(tensors, state, {"soil_pyg": json.dumps(header)})


def train(data_folder: Path, out: Path, model: str = "soil", **options: Any) -> TrainResult:
    options = OPTIONS | options
    return soil_pyg.train(data_folder, out, model, progress=False, device="cpu", **options)


@pytest.fixture
def old_folder(data_folder: Path, tmp_path: Path) -> Path:
    """The folder of a run of SOIL in the old form, with the original beside it."""
    train(data_folder, tmp_path / "old")
    make_old(tmp_path / "old")
    return tmp_path / "old"


def test_records_of_old_runs_lack_what_is_upgraded(old_folder: Path) -> None:
    record = json.loads((old_folder / checkpoint.RUN).read_text())
    assert {"valid", "history"} <= record.keys()
    assert "val" not in record
    assert {"count_users", "floor"} <= record["settings"].keys()
    names = {*record["settings"], *record["trainer"], *record["options"]}
    assert not names & {*RENAMED_SETTINGS.values(), *ADDED_SETTINGS}


def test_an_old_run_is_loaded(old_folder: Path, data_folder: Path, tmp_path: Path) -> None:
    train(data_folder, tmp_path / "new")
    old, new = soil_pyg.load(old_folder), soil_pyg.load(tmp_path / "new")
    assert old.settings == new.settings
    assert old.metrics == new.metrics
    for name in ("trainer", "options", "history", "val", "test"):
        assert old.run[name] == new.run[name]
    assert old.user_emb.equal(new.user_emb)


def test_an_old_run_is_evaluated_explained_compared_and_reported(
    old_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    train(data_folder, tmp_path / "new")
    runs = [old_folder, tmp_path / "new"]
    old, new = (soil_pyg.evaluate(run) for run in runs)
    assert old.equals(new)
    old_score, new_score = (soil_pyg.explain(run, 0, "item 0").score for run in runs)
    assert old_score == new_score
    table = soil_pyg.compare(runs)
    assert table["val recall@20"].nunique() == 1
    assert not set(table) & (RENAMED_SETTINGS.keys() | ADDED_SETTINGS.keys())
    pytest.importorskip("plotly")
    assert soil_pyg.report(old_folder, tmp_path / "report.html").exists()


def test_a_finished_old_run_is_not_run_again(
    old_folder: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "fit", None)
    assert train(data_folder, old_folder).epochs == 3


@pytest.mark.parametrize(("num_partitions", "with_added"), [(1, False), (2, True)])
def test_an_interrupted_old_run_is_resumed(
    data_folder: Path,
    tmp_path: Path,
    interrupt: Callable[..., None],
    num_partitions: int,
    with_added: bool,
) -> None:
    options = {"num_partitions": num_partitions}
    expected = train(data_folder, tmp_path / "new", **options)
    interrupt(13, SOIL)
    with pytest.raises(KeyboardInterrupt):
        train(data_folder, tmp_path / "old", **options)
    make_old(tmp_path / "old", with_added)
    before = checkpoint.load_run(tmp_path / "old")
    assert before is not None
    assert 0 < before["epochs"] < 3
    result = train(data_folder, tmp_path / "old", **options)
    assert (result.val, result.test) == (expected.val, expected.test)
    assert result.history == expected.history


def test_settings_of_an_own_trainer_stay_as_they_are(tmp_path: Path) -> None:
    record = {
        "model": "soil_pyg.models.bpr:BPR",
        "settings": {"model": "mine", "floor": 3},
        "trainer": {"lr": 0.1, "num_parts": 4},
        "options": {"num_users": 1},
    }
    assert upgrade_record(record) == {
        "model": "soil_pyg.models.bpr:BPR",
        "settings": {"model": "mine", "min_weight": 3},
        "trainer": {"lr": 0.1, **TODAY},
        "options": {"num_users": 1},
    }


def test_of_a_model_from_elsewhere_only_the_settings_of_the_trainer_are_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    train_settings = dict.fromkeys(OF_TRAIN, "x")
    record = {
        "model": "elsewhere:Mine",
        "options": {"floor": 1, "num_parts": 2},
        "settings": {"floor": 1, "num_parts": 4, **train_settings},
        "trainer": {"lr": 0.1, "num_parts": 4},
        "valid": {},
    }
    assert upgrade_record(record) == {
        "model": "elsewhere:Mine",
        "options": {"floor": 1, "num_parts": 2},
        "settings": {"floor": 1, **train_settings, **TODAY},
        "trainer": {"lr": 0.1, **TODAY},
        "val": {},
    }
    options = {"settings": {"num_parts": 8, "num_partitions": 4}, "trainer": TODAY}
    assert upgrade_record({"model": "elsewhere:Mine", **options})["settings"]["num_parts"] == 8


def test_todays_records_stay_as_they_are(data_folder: Path, tmp_path: Path) -> None:
    for model in ("soil", "bpr", "lattice"):
        train(data_folder, tmp_path / model, model, epochs=1)
        record = json.loads((tmp_path / model / checkpoint.RUN).read_text())
        assert upgrade_record(record) == record


def test_added_settings_are_those_of_the_model(data_folder: Path, tmp_path: Path) -> None:
    train(data_folder, tmp_path / "bpr", "bpr")
    make_old(tmp_path / "bpr")
    trained = soil_pyg.load(tmp_path / "bpr")
    assert type(trained.model) is BPR
    assert trained.settings["num_partitions"] == 1
    assert not {"recall", "matmul_precision"} & trained.settings.keys()


class WithFormerNames(BPR):
    """A model of one's own whose options have names that other settings had earlier."""

    def __init__(self, num_users: int, num_items: int, *, floor: float, count_users: bool) -> None:
        super().__init__(num_users, num_items, hidden_channels=4)
        self.floor, self.count_users = floor, count_users


def test_options_of_a_model_of_ones_own_keep_their_names(tmp_path: Path) -> None:
    data = SyntheticMultimodal(40, 30)[0]
    model = WithFormerNames(40, 30, floor=0.25, count_users=True)
    Trainer(epochs=1, progress=False).fit(model, data, out=tmp_path)
    loaded = soil_pyg.load(tmp_path).model
    assert loaded.options == model.options
    assert (loaded.floor, loaded.count_users) == (0.25, True)
