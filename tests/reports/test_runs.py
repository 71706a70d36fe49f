import json
import re
import shutil
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from soil_pyg.reports.runs import Run, Summary, find_runs, group_runs, selection_metric

MakeRun = Callable[..., Run]


@pytest.fixture
def make(content: dict[str, Any]) -> MakeRun:
    def make(name: str, seed: int = 0, val: float = 0.5, model: str = "", **settings: Any) -> Run:
        run = {
            **content,
            "settings": {**content["settings"], **settings},
            "trainer": {**content["trainer"], "seed": seed},
            "val": {"recall@20": val},
        }
        if model:
            run["model"] = model
        return Run(Path(name), run)

    return make


def test_a_run(runs: Path) -> None:
    (run,), unfinished = find_runs(runs / "soil 1")
    assert (run.folder, run.model, run.seed, unfinished) == (runs / "soil 1", "SOIL", 1, [])
    assert run.settings["hidden_channels"] == 8
    assert not {"seed", "data", "device", "num_users", "in_channels"} & set(run.settings)


def test_a_folder_of_runs(runs: Path) -> None:
    found, unfinished = find_runs(runs)
    assert [run.folder.name for run in found] == ["k", "popularity", "soil 0", "soil 1"]
    assert unfinished == []
    groups = {group.label: group for group in group_runs(found)}
    assert {label: len(group.runs) for label, group in groups.items()} == {
        "SOIL k=10": 2,
        "SOIL k=4": 1,
        "Popularity": 1,
    }
    group = groups["SOIL k=10"]
    assert [run.seed for run in group.runs] == [0, 1]
    values = [run.content["test"]["ndcg@10"] for run in group.runs]
    summary = group.summary("test", "ndcg@10")
    assert summary == Summary(fmean(values), pytest.approx(stdev(values)))
    assert group.summary("test", "ndcg@7") is None


def test_best_first(make: MakeRun) -> None:
    runs = [make("a", val=0.2, k=1), make("b", val=0.3, k=2), make("c", 1, val=0.5, k=1)]
    groups = group_runs(runs)
    assert [group.label for group in groups] == ["SOIL k=1", "SOIL k=2"]
    assert selection_metric(runs) == "recall@20"


def test_a_copy_of_a_run_does_not_count(make: MakeRun, caplog: pytest.LogCaptureFixture) -> None:
    runs = [make("a", val=0.2), make("b", 1, val=0.4), make("a copy", val=0.2)]
    (group,) = group_runs(runs)
    assert [run.folder.name for run in group.runs] == ["a", "b"]
    assert group.summary("val", "recall@20") == Summary.of([0.2, 0.4])
    assert "'a copy' has the settings and the seed of 'a'" in caplog.text


def test_runs_are_compared_by_a_metric_that_all_have(make: MakeRun) -> None:
    runs = [make("a", k=1), make("b", k=2), make("c", k=3)]
    for run, lengths in zip(runs, ([30, 20, 5], [5, 20], [20, 5]), strict=True):
        run.content["val"] = {f"recall@{k}": 0.5 for k in lengths}
        run.content["trainer"]["metric"] = f"recall@{lengths[0]}"
    assert {selection_metric([*order]) for order in permutations(runs)} == {"recall@20"}
    del runs[2].content["val"]["recall@20"]
    assert {selection_metric([*order]) for order in permutations(runs)} == {"recall@5"}
    runs[0].content["val"] = {"recall@30": 1.0}
    with pytest.raises(ValueError, match=r"'a' recall@30; 'b' recall@5.*one folder per"):
        group_runs(runs)


def test_device_and_place_do_not_tell_settings_apart(make: MakeRun) -> None:
    runs = [make("a", device="cpu", data="/a"), make("b", 1, device="cuda", data="/b")]
    assert [len(group.runs) for group in group_runs(runs)] == [2]


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ([{"k": 1, "k_a": 1}, {"k": 2, "k_a": 2}], ["SOIL k=1", "SOIL k=2"]),
        (
            [{"k": 1, "k_a": 1}, {"k": 1, "k_a": 2}, {"k": 2, "k_a": 1}],
            ["SOIL k=1 k_a=1", "SOIL k=1 k_a=2", "SOIL k=2 k_a=1"],
        ),
        ([{"profile": "paper", "k": 1}, {"profile": "x", "k": 2}], ["SOIL profile=paper"]),
        ([{"modalities": ["a"]}, {"modalities": None}], ['SOIL modalities=["a"]']),
    ],
)
def test_labels_hold_what_tells_groups_apart(
    make: MakeRun, settings: list[dict[str, Any]], labels: list[str]
) -> None:
    groups = group_runs([make(str(i), **values) for i, values in enumerate(settings)])
    assert {group.label for group in groups} >= set(labels)


def test_labels_of_models_of_the_same_name(make: MakeRun) -> None:
    groups = group_runs([make("a"), make("b", model="mine:SOIL")])
    assert {group.label for group in groups} == {
        "SOIL model=mine:SOIL",
        "SOIL model=soil_pyg.models.soil:SOIL",
    }


def test_summaries() -> None:
    assert Summary.of([0.25]) == Summary(0.25, None)
    values = [0.1, 0.4, 0.25]
    assert Summary.of(values) == Summary(pytest.approx(fmean(values)), pytest.approx(stdev(values)))


def test_folders_without_runs(tmp_path: Path, runs: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none'"):
        find_runs(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=re.escape(f"'{tmp_path}'")):
        find_runs(tmp_path)
    (tmp_path / "state.safetensors").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path))):
        find_runs(tmp_path)


def test_runs_that_have_not_ended(tmp_path: Path, runs: Path) -> None:
    shutil.copytree(runs / "soil 0", tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "state.safetensors").write_bytes(b"")
    (tmp_path / "c").mkdir()
    found, unfinished = find_runs(tmp_path)
    assert [run.folder.name for run in found] == ["a"]
    assert unfinished == [tmp_path / "b"]


def test_runs_on_different_data(tmp_path: Path, runs: Path, edit_run: Callable[..., None]) -> None:
    for name in ("a", "b"):
        shutil.copytree(runs / "soil 0", tmp_path / name)
        edit_run(tmp_path / name, data={"name": name, "digest": name})
    with pytest.raises(ValueError, match=r"'a'.*'b'"):
        find_runs(tmp_path)


def test_damaged_runs(tmp_path: Path, content: dict[str, Any]) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json"):
        find_runs(tmp_path)
    del content["history"], content["checksum"]
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"run\.json.*history"):
        find_runs(tmp_path)
