from collections.abc import Callable

import pytest
from torch_geometric.data import HeteroData

from soil_pyg.workflow.options import ModelOptions, build_model, build_trainer


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
    with pytest.raises(ValueError, match=r"those of the data: image, text \(got 'audio'\)"):
        build_model(selected, settings, featured_data(2))


def test_trainer() -> None:
    selected = ModelOptions("bpr")
    settings = selected.settings("none", None, {"lr": 0.5}) | {"device": "cpu"}
    trainer = build_trainer(selected, settings, seed=3)
    assert (trainer.lr, trainer.seed, trainer.accelerator) == (0.5, 3, "cpu")
