from typing import Any

import pytest

from soil_bench.tuning.space import Space, make_space
from soil_pyg.configs import available_configs, load_config
from soil_pyg.workflow.options import ModelOptions


def settings_of(name: str, **changes: Any) -> dict[str, Any]:
    return ModelOptions(name).settings("tiktok", "released", {}) | changes


def test_combinations() -> None:
    space = Space({"a": [1, 2, 3], "b": [True, "x"]}, {"a": 2, "b": "y"})
    assert space.size == 6
    assert space.columns == {"a": [1, 2, 3], "b": [True, "x"]}
    # What is not among the values is the first of them.
    assert space.values_of(space.first) == {"a": 2, "b": True}
    tried: set[tuple[str, ...]] = set()
    found = []
    for start in (4, 4, 0, 5, 1, 4):
        texts = space.untried(start, tried)
        tried.add(space.key(texts))
        found.append(tuple(space.values_of(texts).values()))
    assert found[:4] == [(3, True), (3, "x"), (1, True), (1, "x")]
    assert len(set(found)) == 6
    with pytest.raises(ValueError, match="all combinations"):
        space.untried(3, tried)


def test_values_that_python_takes_for_the_same_are_told_apart() -> None:
    space = Space({"a": [1, True, 1.0]}, {"a": True})
    assert space.size == 3
    assert space.values_of(space.first)["a"] is True


@pytest.mark.parametrize("name", available_configs())
def test_space_of_each_configuration_begins_with_the_configured_settings(name: str) -> None:
    search = load_config(name).search
    for dataset in ("baby", "tiktok", "synthetic"):
        selected = ModelOptions(name)
        settings = selected.settings(dataset, selected.default_profile, {})
        if search:
            space = make_space(selected, {}, settings)
            assert space.values_of(space.first) == {option: settings[option] for option in search}


def test_configured_value_belongs_to_the_space() -> None:
    space = make_space(ModelOptions("soil"), {}, settings_of("soil", k=7))
    assert space.columns["k"] == [7, *load_config("soil").search["k"]]
    assert space.columns["k_a"] == load_config("soil").search["k_a"]


def test_given_values_take_the_place_of_those_of_the_configuration() -> None:
    given = {"k": "5, 6", "l_ii": 1, "modalities": [["visual"], ["visual", "textual"]]}
    space = make_space(ModelOptions("soil"), given | {"lr": [0.1, "1e-3"]}, settings_of("soil"))
    assert space.columns == {
        "k": [5, 6],
        "k_a": load_config("soil").search["k_a"],
        "l_ii": [1.0],
        "l_ui": load_config("soil").search["l_ui"],
        "modalities": [["visual"], ["visual", "textual"]],
        "lr": [0.1, 0.001],
    }
    first = space.values_of(space.first)
    assert (first["k"], first["modalities"], first["lr"]) == (5, ["visual"], 0.001)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"q": [1]}, "'--search.q'.*'soil' has no option 'q'.* aggr, "),
        ({"device": ["cpu"]}, "has no option 'device'"),
        ({"k": []}, r"'--search.k' must hold at least one value \(got none\)"),
        ({"k": "5,many"}, r"'--search.k': .*Got value: many"),
        ({"k": "5,"}, "'--search.k'"),
        ({"k": [None]}, r"'--search.k' must hold values of 'k' \(got \[None\]\)"),
        ({"metric": "recall@10"}, "'--search.metric'"),
    ],
)
def test_errors(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_space(ModelOptions("soil"), given, settings_of("soil"))


def test_model_without_a_space() -> None:
    settings = settings_of("popularity")
    with pytest.raises(ValueError, match="model 'popularity' has no search space"):
        make_space(ModelOptions("popularity"), {}, settings)
    # A class that is named by its module has no configuration.
    name = "soil_pyg.models.bpr:BPR"
    with pytest.raises(ValueError, match=f"model '{name}' has no search space"):
        make_space(ModelOptions(name), {}, settings_of(name))
    assert make_space(ModelOptions(name), {"reg": "1,2"}, settings_of(name)).size == 2
