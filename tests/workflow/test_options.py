import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser
from torch_geometric.data import HeteroData

from soil_pyg.configs import Config
from soil_pyg.models import SOIL
from soil_pyg.workflow import options
from soil_pyg.workflow.options import ModelOptions, build_model, build_trainer

MODULE = """
from soil_pyg.models import BPR


class Untyped(BPR):
    def __init__(self, num_users, num_items, in_channels=None, *, width=3):
        super().__init__(num_users, num_items)


class Twice(BPR):
    def __init__(self, num_users, num_items, in_channels=None, *, lr: float = 0.5):
        super().__init__(num_users, num_items)


class Wrong(BPR):
    profiles = {"released": {"reg": "much"}}


class Unknown(BPR):
    profiles = {"released": {"regg": 1.0}}


class Other(BPR):
    profiles = {"fast": {"reg": 1.0}}
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "options_models.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "options_models", raising=False)
    return "options_models"


def test_options_come_from_model_graphs_and_trainer() -> None:
    selected = ModelOptions("soil")
    used_by = {name: option.used_by for name, option in selected.options.items()}
    assert used_by["l_ui"] == ("model",)
    assert used_by["k_a"] == ("graphs",)
    assert used_by["lr"] == ("trainer",)
    given = {"num_users", "num_items", "in_channels", "seed", "accelerator", "profile", "progress"}
    assert not given & set(used_by)


def test_settings_are_split_among_the_parts_that_use_them() -> None:
    selected = ModelOptions("itemknn")
    settings = selected.settings("tiny", "released", {"k": 7})
    assert selected.values_for("graphs", settings)["k"] == 7
    assert "k" not in selected.values_for("trainer", settings)
    assert selected.values_for("model", settings) == {}
    assert selected.values_for("trainer", settings)["batch_size"] == 2048


def test_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each layer wins over the one before: default, profile, data set, flag."""
    selected = ModelOptions("soil")
    layers = {"tiny": {"second_order_scale": 0.25, "k_i": 5}}
    config = Config("citation", "source", layers, {}, {})
    monkeypatch.setattr(options, "load_config", lambda name: config)

    other = selected.settings("other", "paper", {})
    assert (other["k_i"], other["second_order_scale"], other["aggr"]) == (10, 1.0, "max")
    released = selected.settings("other", "released", {})
    assert (released["k_i"], released["second_order_scale"], released["aggr"]) == (10, 0.5, "sum")
    tiny = selected.settings("tiny", "released", {})
    assert (tiny["k_i"], tiny["second_order_scale"], tiny["aggr"]) == (5, 0.25, "sum")
    flags = selected.settings("tiny", "released", {"second_order_scale": 2.0, "aggr": "max"})
    assert (flags["k_i"], flags["second_order_scale"], flags["aggr"]) == (5, 2.0, "max")


def test_defaults_without_settings_of_the_data_set() -> None:
    settings = ModelOptions("soil").settings("a folder of one's own", "released", {})
    names = ["k", "k_i", "k_a", "l_ii", "l_ui", "negative"]
    assert [settings[name] for name in names] == [10, 10, 2, 0.01, 0.01, "drop"]


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("baby", [10, 10, 2, 0.01, 0.01]),
        ("sports", [10, 5, 6, 0.1, 0.01]),
        ("clothing", [10, 5, 3, 0.01, 0.001]),
        ("tiktok", [10, 10, 2, 0.01, 0.01]),
    ],
)
def test_settings_of_the_published_data_sets(dataset: str, expected: list[float]) -> None:
    settings = ModelOptions("soil").settings(dataset, "released", {})
    assert [settings[name] for name in ["k", "k_i", "k_a", "l_ii", "l_ui"]] == expected


def test_settings_of_a_profile_on_a_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = {"best": {"tiny": {"l_ui": 0.5}}}
    config = Config("citation", "source", {"tiny": {"l_ui": 0.2, "l_ii": 0.3}}, {}, {}, profiles)
    monkeypatch.setattr(options, "load_config", lambda name: config)
    soil = ModelOptions("soil")
    for profile, expected in {"best": (0.5, 0.3), "released": (0.2, 0.3)}.items():
        settings = soil.settings("tiny", profile, {})
        assert (settings["l_ui"], settings["l_ii"]) == expected
    assert soil.settings("tiny", "best", {"l_ui": 0.7})["l_ui"] == 0.7
    other = soil.settings("other", "best", {})
    assert other["l_ii"] == SOIL.profiles["best"]["l_ii"]
    profiles["best"]["tiny"] = {"l_xx": 1.0}
    with pytest.raises(ValueError, match=r"soil\.yaml: profiles\.best\.tiny: .*'l_xx'"):
        soil.settings("tiny", "best", {})


def test_no_profile_sets_what_to_do_with_negative_similarities() -> None:
    for profile in ("paper", "released"):
        assert ModelOptions("soil").settings("tiktok", profile, {})["negative"] == "drop"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Untyped", "'width' of model"),
        ("Twice", r"'lr'.*\(got <class 'float'> = 0\.5 in model .*= 0\.001 in trainer"),
    ],
)
def test_signatures_that_cannot_be_flags(module: str, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelOptions(f"{module}:{name}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Wrong", "profile 'released': .*'reg': expected float"),
        ("Unknown", "profile 'released': .*'regg'"),
        ("Other", r"'profile'.*\bfast\b.*\(got 'released'\)"),
    ],
)
def test_profiles_that_cannot_be_right(module: str, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelOptions(f"{module}:{name}").settings("tiny", "released", {})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k_x": 1}, "soil.yaml: settings.tiny: .*'soil'.*'k_x'"),
        ({"k": "ten"}, "soil.yaml: settings.tiny: .*'k': expected int"),
    ],
)
def test_configurations_that_cannot_be_right(
    monkeypatch: pytest.MonkeyPatch, settings: dict, message: str
) -> None:
    config = Config("citation", "source", {"tiny": settings}, {}, {})
    monkeypatch.setattr(options, "load_config", lambda name: config)
    with pytest.raises(ValueError, match=message):
        ModelOptions("soil").settings("tiny", "released", {})


def test_values_are_checked() -> None:
    selected = ModelOptions("soil")
    values = {"k": 3, "lr": 1, "ks": [5, 20], "modalities": ["text"]}
    assert selected.check(values, "options") == values
    with pytest.raises(ValueError, match=r"options: .*'kk'.*aggr, aggregation, "):
        selected.check({"kk": 3}, "options")
    with pytest.raises(ValueError, match=r"options: .*'lr': expected float"):
        selected.check({"lr": "fast"}, "options")


@pytest.mark.parametrize(
    ("name", "profile"), [("soil", "released"), ("bpr", None), ("Other", "fast")]
)
def test_default_profile(module: str, name: str, profile: str | None) -> None:
    selected = ModelOptions(name if name != "Other" else f"{module}:{name}")
    assert selected.default_profile == profile


def test_flags_that_are_not_given_leave_no_trace() -> None:
    parser = ArgumentParser(exit_on_error=False)
    ModelOptions("soil").add_flags(parser)
    assert parser.parse_args([]).as_dict() == {}
    assert parser.parse_args(["--k", "3", "--lr=0.5"]).as_dict() == {"k": 3, "lr": 0.5}


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["--ks", "5", "20", "--modalities", "image", "text"], ([5, 20], ["image", "text"])),
        (["--ks", "5,20", "--modalities", "image,text"], ([5, 20], ["image", "text"])),
        (["--ks=[5, 20]", "--modalities=[image, text]"], ([5, 20], ["image", "text"])),
        (["--ks", "7", "--modalities", "null"], ([7], ["null"])),
    ],
)
def test_flags_of_lists(words: list[str], values: tuple[list[int], list[str]]) -> None:
    parser = ArgumentParser(exit_on_error=False)
    selected = ModelOptions("soil")
    selected.add_flags(parser)
    given = selected.values_of_flags(parser.parse_args(words).as_dict())
    assert (given["ks"], given["modalities"]) == values


@pytest.mark.parametrize("word", ["x", "1.5", "5,", "5;6"])
def test_flags_of_lists_of_another_type(word: str) -> None:
    with pytest.raises(ValueError, match=rf"'ks'.*\(got 5, {word.rstrip(',')}"):
        ModelOptions("bpr").values_of_flags({"ks": ["5", word]})


def test_a_flag_that_is_there_already() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--lr")
    with pytest.raises(ValueError, match=r"'bpr'.*'lr'"):
        ModelOptions("bpr").add_flags(parser)


def test_a_model_has_the_sizes_of_the_data(featured_data: Callable[..., HeteroData]) -> None:
    selected = ModelOptions("soil")
    settings = selected.settings("none", "released", {"hidden_channels": 8})
    model = build_model(selected, settings, featured_data(3))
    assert (model.num_users, model.num_items) == (30, 25)
    assert model.in_channels == {"image": 5, "text": 4, "audio": 3}
    assert (model.options["hidden_channels"], model.options["contrast"]) == (8, "info_nce")


def test_the_order_of_the_modalities_is_a_setting(featured_data: Callable[..., HeteroData]) -> None:
    selected = ModelOptions("soil")
    settings = selected.settings("none", "released", {"modalities": ["audio", "image"]})
    model = build_model(selected, settings, featured_data(3))
    assert list(model.in_channels.items()) == [("audio", 3), ("image", 5)]
    with pytest.raises(ValueError, match=r"'modalities'.*image, text \(got 'audio'\)"):
        build_model(selected, settings, featured_data(2))


def test_trainer() -> None:
    selected = ModelOptions("bpr")
    settings = selected.settings("none", None, {"lr": 0.5}) | {"device": "cpu"}
    trainer = build_trainer(selected, settings, seed=3)
    assert (trainer.lr, trainer.seed, trainer.accelerator) == (0.5, 3, "cpu")


def test_defaults_of_arguments_are_those_of_a_profile() -> None:
    parser = ArgumentParser(exit_on_error=False)
    selected = ModelOptions("soil")
    selected.add_arguments(parser, "released")
    shown = parser.get_defaults().soil.as_dict()
    assert (
        shown
        == {name: option.default for name, option in selected.options.items()}
        | selected.model_class.profiles["released"]
    )
    assert shown["contrast"] != selected.options["contrast"].default
