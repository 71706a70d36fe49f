import inspect
from importlib.resources import files

import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.configs import available_configs, load_config, parse_config
from soil_pyg.models.base import Recommender
from soil_pyg.models.resolver import import_model
from soil_pyg.training.trainer import Trainer
from soil_pyg.workflow.options import ModelOptions

GOOD = (
    "{citation: a, source: b, settings: {c: {d: 1}}, search: {d: [1]}, published: {c: {e: 0.1}}, "
    "published_source: {c: f}}"
)
PUBLISHED = ("baby", "sports", "clothing", "tiktok")
SCHEDULES = {
    **dict.fromkeys(("bpr", "lightgcn", "vbpr", "slmrec", "bm3", "freedom", "lgmrec"), (1.0, 20)),
    **dict.fromkeys(("cohesion", "dragon", "dualgnn", "mentor"), (1.0, 20)),
    **dict.fromkeys(("grcn", "layergcn", "mmgcn"), (1.0, 20)),
    **dict.fromkeys(("ngcf", "sgl", "simgcl", "xsimgcl"), (1.0, 20)),
    **dict.fromkeys(("gume", "lattice", "mgcn", "pgl", "smore"), (0.96, 20)),
    "damrs": (1.0, 20),
    "soil": (0.96, 10),
}
"""The decay per 50 epochs and the patience of the published code: MMRec's defaults, unless a model
has a decay of its own there; SOIL's own configuration.
"""
UNTRAINED = {"itemknn", "mmgf", "popularity"}
"""Models without a schedule."""
OTHER_RATE = {"dragon": 1e-4, "mentor": 1e-4}
"""The learning rate of the authors, where it is not 1e-3."""
OTHER_PATIENCE = {("bm3", "tiktok"): 60}
"""Patience chosen by the val metric, for results better than with the published one."""
OTHER_BATCH_SIZE = {("damrs", dataset): 4096 for dataset in ("baby", "sports", "clothing")}
"""The batch size of the published logs where it is not MMRec's."""
MODALITIES = {"tiktok": ["image", "audio"]}
"""The modalities of the data sets whose modalities are not image and text."""
SIZES = (4, 3, 2)
"""The numbers of channels of the modalities."""
BUILDS = [
    (name, dataset, profile)
    for name in available_configs()
    for dataset in load_config(name).settings
    for profile in [*import_model(name).profiles, None]
]


def used_by(model_class: type[Recommender]) -> list[set[str]]:
    """Returns the names of the options of the model, of its graphs and of the trainer."""
    return [
        set(inspect.signature(model_class).parameters),
        set(model_class.graph_transform_parameters()),
        set(inspect.signature(Trainer).parameters),
        {"modalities"} if model_class.multimodal else set(),
    ]


def small_data(modalities: list[str]) -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 6, 5
    for modality, size in zip(modalities, SIZES, strict=False):
        data["item"][f"x_{modality}"] = torch.rand(5, size)
    users = torch.arange(6).repeat_interleave(2)
    items = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4], [0, 4], [1, 3]]).flatten()
    data["user", "interacts", "item"].edge_index = torch.stack([users, items])
    return data


def test_the_models_of_the_paper_are_set_for_every_data_set() -> None:
    names = {"baby", "sports", "clothing", "tiktok", "synthetic"}
    for name in set(available_configs()) - UNTRAINED:
        assert set(load_config(name).settings) == names, name


def test_every_model_has_a_configuration() -> None:
    from soil_pyg import models

    names = {name.lower() for name in models.__all__} - {"recommender", "embeddingrecommender"}
    assert set(available_configs()) == names


@pytest.mark.parametrize(("name", "dataset", "profile"), BUILDS)
def test_settings_build_the_model(name: str, dataset: str, profile: str | None) -> None:
    """The model, its graphs and its trainer take the settings, and nothing is left over."""
    model_class = import_model(name)
    settings = load_config(name).settings[dataset]
    options = (model_class.profiles[profile] if profile else {}) | settings
    options |= load_config(name).profiles.get(profile or "", {}).get(dataset, {})
    model_options, graph_options, trainer_options, data_options = (
        {key: options[key] for key in known & set(options)} for known in used_by(model_class)
    )
    assert {**model_options, **graph_options, **trainer_options, **data_options} == options

    has = MODALITIES.get(dataset, ["image", "text"])
    modalities = options.get("modalities", has)
    assert set(modalities) <= set(has)
    data = model_class.graph_transform(**graph_options)(small_data(modalities))
    model = model_class(6, 5, dict(zip(modalities, SIZES, strict=False)), **model_options)
    user_emb, item_emb = model(data)
    scores = (user_emb @ item_emb.t()).to_dense()
    assert scores.size() == (6, 5)
    assert bool(scores.isfinite().all())
    Trainer(**trainer_options)


@pytest.mark.parametrize("name", sorted(set(available_configs()) - UNTRAINED))
@pytest.mark.parametrize("dataset", PUBLISHED)
def test_published_data_sets_keep_the_published_schedule(name: str, dataset: str) -> None:
    decay, patience = SCHEDULES[name]
    selected = ModelOptions(name)
    for profile in list(selected.model_class.profiles) or [None]:
        settings = selected.settings(dataset, profile, {})
        names = ("lr", "lr_decay", "lr_decay_epochs", "batch_size", "epochs", "patience")
        found = [settings[option] for option in names]
        expected = OTHER_PATIENCE.get((name, dataset), patience)
        batch_size = OTHER_BATCH_SIZE.get((name, dataset), 2048)
        assert found == [OTHER_RATE.get(name, 1e-3), decay, 50, batch_size, 1000, expected]


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_schedules(name: str) -> None:
    config = load_config(name)
    assert set(config.schedule) == {"lr", "lr_decay", "patience"}
    # Finished runs on the built-in data were stopped like this.
    assert config.settings["synthetic"]["patience"] == 10
    for settings in config.settings.values():
        assert set(config.schedule) <= set(settings)


@pytest.mark.parametrize("name", available_configs())
def test_searched_options_are_options(name: str) -> None:
    search = load_config(name).search
    assert set(search) <= set.union(*used_by(import_model(name)))
    for values in search.values():
        assert len(values) > 1
        assert all(isinstance(value, int | float | str) for value in values)


@pytest.mark.parametrize(
    ("name", "dataset", "values"),
    [
        ("soil", "baby", (0.0680, 0.1028, 0.0365, 0.0454)),
        ("soil", "clothing", (0.0687, 0.0998, 0.0377, 0.0456)),
        ("lightgcn", "sports", (0.0569, 0.0864, 0.0311, 0.0387)),
        ("bpr", "baby", (0.0357, 0.0575, 0.0192, 0.0249)),
    ],
)
def test_published_values(name: str, dataset: str, values: tuple[float, ...]) -> None:
    published = load_config(name).published[dataset]
    metrics = ["recall@10", "recall@20", "ndcg@10", "ndcg@20"]
    assert published == dict(zip(metrics, values, strict=True))


def test_sources_of_published_values() -> None:
    table, other = "SOIL (ACM Multimedia, 2024), Table 2", "DiffMM (ACM Multimedia, 2024)"
    published = dict.fromkeys(("baby", "sports", "clothing"), table)
    assert load_config("soil").published_source == published
    assert load_config("bm3").published_source == published | {"tiktok": other}


def test_citation_and_source() -> None:
    config = load_config("soil")
    assert config.citation.startswith("Hongzu Su")
    assert config.source == "https://doi.org/10.1145/3664647.3681207"
    for name in available_configs():
        assert load_config(name).source.startswith("https://"), name


def test_files_are_named_as_classes_in_lower_case() -> None:
    names = sorted(path.name for path in files("soil_pyg.configs").iterdir())
    assert "itemknn.yaml" in names
    for name in available_configs():
        assert import_model(name).__name__.lower() == name


def test_unknown_model() -> None:
    with pytest.raises(ValueError, match=r"'model_name' .*'lightgcn', .*'soil'.*\(got 'SOIL'\)"):
        load_config("SOIL")


def test_parse() -> None:
    config = parse_config(GOOD, "x.yaml")
    assert (config.citation, config.source) == ("a", "b")
    assert config.settings == {"c": {"d": 1}}
    assert config.search == {"d": [1]}
    assert config.published == {"c": {"e": 0.1}}
    assert config.published_source == {"c": "f"}
    assert config.profiles == {}
    more = GOOD[:-1] + ", profiles: {best: {c: {d: 2}}}}"
    assert parse_config(more, "x.yaml").profiles == {"best": {"c": {"d": 2}}}
    more = GOOD[:-1] + ", schedule: {d: 3, f: 4}}"
    assert parse_config(more, "x.yaml").schedule == {"d": 3, "f": 4}
    assert parse_config(more, "x.yaml").settings == {"c": {"d": 1, "f": 4}}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{citation", "{{citation", "YAML"),
        (GOOD, "3", r"citation, .*, published \(got 3\)"),
        ("source", "sauce", r"source, .*\(got citation, sauce, "),
        ("citation: a", "citation: 1", r"'citation' .*\(got 1\)"),
        ("source: b", "source: ''", r"'source' .*\(got ''\)"),
        ("{c: {d: 1}}", "[c]", r"'settings' .*\(got \['c'\]\)"),
        ("{c: {d: 1}}", "{c: 1}", r"'settings': 'c' .*dict \(got 1\)"),
        ("{c: {d: 1}}", "{c: {1: 1}}", r"'settings.c' .*\(got 1\)"),
        ("{d: [1]}", "{d: 1}", r"'search': 'd' .*list \(got 1\)"),
        ("{e: 0.1}", "{e: high}", r"'published.c': 'e' .*float \(got 'high'\)"),
        ("{c: f}", "{c: 1}", r"'published_source': 'c' .*str \(got 1\)"),
        (", published_source: {c: f}", "", r"'published_source' .*, c \(got none\)"),
        ("{c: f}", "{d: f}", r"'published_source' .*, c \(got d\)"),
        ("search", "schedule: 0.1, search", r"'schedule' .*\(got 0.1\)"),
        ("search", "profiles: {best: {c: 2}}, search", r"'profiles.best': 'c' .*dict \(got 2\)"),
    ],
)
def test_files_that_cannot_be_right(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match=f"^x.yaml: .*{message}"):
        parse_config(GOOD.replace(old, new), "x.yaml")
