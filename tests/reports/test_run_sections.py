import copy
from pathlib import Path
from typing import Any

import pytest

from soil_pyg.reports.run_sections import Scope, list_settings, run_sections
from soil_pyg.reports.runs import Run, RunGroup


def test_what_differs_from_the_defaults(content: dict[str, Any]) -> None:
    settings = list_settings(Run(Path("run"), content))
    changed = {s.name: (s.value, s.default, s.used_by) for s in settings if s.is_changed}
    assert changed == {
        "hidden_channels": (8, 64, "model"),
        "lr": (0.01, 0.001, "trainer"),
        "epochs": (2, 1000, "trainer"),
        **{name: change for name, change in changed.items() if name == "aggregation"},
    }
    names = [setting.name for setting in settings]
    assert len(names) == len(set(names))
    assert {"k", "k_a", "aggr", "l_ui", "batch_size", "seed", "data", "profile"} <= set(names)
    assert not {"num_users", "num_items", "in_channels"} & set(names)


def test_defaults_are_those_of_the_profile(content: dict[str, Any]) -> None:
    defaults = {}
    for profile in ("released", "paper", None):
        run = {**content, "settings": {**content["settings"], "profile": profile}}
        settings = {s.name: s for s in list_settings(Run(Path("run"), run))}
        defaults[profile] = settings["contrast"].default
    assert defaults == {"released": "info_nce", "paper": "aligned_pairs", None: "aligned_pairs"}


def test_lists_are_compared_as_they_are_stored(content: dict[str, Any]) -> None:
    settings = {s.name: s for s in list_settings(Run(Path("run"), content))}
    assert settings["ks"].value == [5, 10, 20, 50]
    assert not settings["ks"].is_changed


@pytest.mark.parametrize("interrupted", [0, 2])
def test_a_seed_without_a_test_hides_no_other(content: dict[str, Any], interrupted: int) -> None:
    runs = [Run(Path(f"run {seed}"), copy.deepcopy(content)) for seed in range(3)]
    runs[interrupted].content["test"] = {}
    scope = Scope([RunGroup("SOIL", runs)], "recall@20")
    sections = run_sections(scope)
    assert scope.split == "test"
    assert [(tile.name, tile.note) for tile in sections["tiles"]] == [
        ("Test recall@20", "mean over 2 seeds"),
        ("Test ndcg@20", "mean over 2 seeds"),
    ]
    splits = {row[1] for row in sections["metric_tables"]["SOIL"].rows}
    assert splits == {"val", "test"}


def test_models_whose_defaults_are_unknown(content: dict[str, Any]) -> None:
    run = {**content, "model": "no.such.module:Model"}
    settings = list_settings(Run(Path("run"), run))
    assert {"lr", "k"} <= {setting.name for setting in settings}
    assert not any(setting.is_changed or setting.used_by for setting in settings)
