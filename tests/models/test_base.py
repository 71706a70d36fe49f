import copy
import inspect
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from api_cases import wrong_arguments
from soil_pyg import models
from soil_pyg.models import BPR, SOIL, ItemKNN, Popularity, Recommender
from soil_pyg.models.soil_graphs import SOILGraphs
from soil_pyg.testing import small_data
from soil_pyg.typing import Triplets


class Bias(Recommender):
    profiles: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"scale": 0.5, "depth": 3},
        "large": {"scale": 8.0, "depth": 9},
    }

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: dict[str, int] | None = None,
        *,
        scale: float = 1.0,
        flag: bool = False,
    ) -> None:
        super().__init__(num_users, num_items, in_channels)
        self.bias = Parameter(torch.full((num_items, 1), scale))

    def forward(self, data: HeteroData) -> tuple[Tensor, Tensor]:
        return torch.ones(self.num_users, 1), self.bias

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return {"bias": self.bias[batch.positive].sum()}


class KeywordBias(Bias):
    def __init__(self, num_users: int, num_items: int, **options: Any) -> None:
        super().__init__(num_users, num_items, **options)


class AnyBias(Bias):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


def depth(data: HeteroData, depth: int) -> HeteroData:
    return data


def test_contract_has_to_be_met() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Recommender(2, 3)


def test_arguments() -> None:
    in_channels = {"image": 4}
    model = Bias(2, 3, in_channels, scale=2.0)
    assert (model.num_users, model.num_items, model.in_channels) == (2, 3, {"image": 4})
    assert model.in_channels is not in_channels
    assert Bias(2, 3).in_channels == {}
    assert model.bias.tolist() == [[2.0]] * 3


def test_unknown_and_missing_arguments() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'scales'"):
        Bias(2, 3, scales=1.0)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'num_items'"):
        Bias(2)


def test_options_are_all_arguments() -> None:
    expected = {"num_users": 2, "num_items": 3, "in_channels": None, "scale": 1.0, "flag": True}
    assert Bias(2, num_items=3, flag=True).options == expected


@pytest.mark.parametrize("kind", [Bias, KeywordBias, AnyBias])
def test_options_make_the_model_again(kind: type[Bias]) -> None:
    for model in (kind(2, 3, scale=4.0), kind(num_users=2, num_items=3, scale=4.0)):
        again = kind(**model.options)
        assert again.options == model.options
        assert again.options["scale"] == 4.0
        assert again.bias.equal(model.bias)


def test_arguments_that_are_passed_on_by_position_have_names() -> None:
    model = AnyBias(2, 3, {"image": 4}, scale=4.0)
    expected = {"num_users": 2, "num_items": 3, "in_channels": {"image": 4}, "scale": 4.0}
    assert model.options == expected


def test_copies_keep_the_options() -> None:
    model = Bias(2, 3, scale=2.0)
    other = copy.deepcopy(model)
    assert other.options == model.options
    assert other.bias.equal(model.bias)


def test_options_are_no_part_of_the_weights() -> None:
    assert list(Bias(2, 3).state_dict()) == ["bias"]


def test_profiles() -> None:
    assert Bias.profile_options("small", Bias) == {"scale": 0.5}
    assert Bias.profile_options("large", depth) == {"depth": 9}
    model = Bias.from_profile("small", 2, 3)
    assert model.options["scale"] == 0.5
    assert Bias.from_profile("small", 2, 3, scale=7.0, flag=True).options["scale"] == 7.0
    with pytest.raises(ValueError, match=r"'profile'.*small.*large.*\(got 'tiny'\)"):
        Bias.from_profile("tiny", 2, 3)
    with pytest.raises(ValueError, match=r"'profile'.*\(got 'paper'\)"):
        Popularity.from_profile("paper", 2, 3)


def test_graphs_are_none_unless_told() -> None:
    transform = Bias.graph_transform()
    assert isinstance(transform, BaseTransform)
    data = HeteroData()
    data["user"].num_nodes = 2
    assert transform(data).to_dict() == data.to_dict()


def test_graph_parameters() -> None:
    assert Bias.graph_transform_parameters() == {}
    parameters = ItemKNN.graph_transform_parameters()
    assert {name: p.default for name, p in parameters.items()} == {
        "k": 20,
        "shrink": 0.0,
        "memory_budget": 2**30,
    }
    parameters = SOIL.graph_transform_parameters()
    assert parameters["k_a"].default == 2
    made = SOILGraphs(**{name: p.default for name, p in parameters.items()})
    assert str(made) == str(SOILGraphs())


def test_model_parameters() -> None:
    class Inherits(Bias):
        profiles: ClassVar = {"small": {"scale": 0.25}}

    for kind in (Bias, Inherits):
        assert list(kind.model_parameters()) == list(inspect.signature(Bias).parameters)
    assert Inherits(2, 3, scale=0.5).options == Bias(2, 3, scale=0.5).options
    assert Inherits.profile_options("small", Inherits) == {"scale": 0.25}
    assert Inherits.from_profile("small", 2, 3).options["scale"] == 0.25


def test_optional_parts_do_nothing() -> None:
    model = Bias(2, 3)
    data = HeteroData()
    model.on_epoch_start(data)
    model.reset_parameters()
    assert data.to_dict() == HeteroData().to_dict()
    assert model.bias.tolist() == [[1.0]] * 3


def test_a_modality_that_cannot_be_named() -> None:
    with pytest.raises(ValueError, match=r"'in_channels'.*'training'"):
        models.SOIL(2, 3, {"image": 4, "training": 5})


def test_a_model_that_overrides_the_alias_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Mine.*'graph_transform'.*'graphs'"):
        type("Mine", (models.BPR,), {"graphs": classmethod(lambda cls: None)})


def test_sizes_are_taken_from_the_data() -> None:
    data = small_data({"image": 5, "audio": 2}, num_items=8)
    del data["item"].num_nodes
    model = BPR.from_data(data, hidden_channels=3)
    assert (model.num_users, model.num_items) == (9, 8)
    assert model.in_channels == {"image": 5, "audio": 2}
    assert model.options["hidden_channels"] == 3


def test_options_of_a_profile_are_the_defaults() -> None:
    data = small_data({"image": 5})
    made = models.SOIL.from_data(data, "best", tau=0.3)
    assert (
        made.options == models.SOIL.best(9, data["item"].num_nodes, {"image": 5}, tau=0.3).options
    )
    with pytest.raises(ValueError, match="'profile' must be one of"):
        models.SOIL.from_data(data, "published")


test_wrong_arguments = wrong_arguments("Recommender")
