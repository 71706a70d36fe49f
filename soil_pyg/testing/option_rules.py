"""The rules of a model that concern its arguments and its parameters."""

import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from soil_pyg.models.configurable import POSITIONAL
from soil_pyg.testing.contract import require, require_refusal
from soil_pyg.testing.model_case import ModelCase, scores_of


def arguments_are_options(case: ModelCase) -> None:
    """__init__ takes (num_users, num_items, in_channels); each further argument of it and each of
    graph_transform has a type and a default.
    """
    parameters = case.model_class.model_parameters()
    named = [p for p in parameters.values() if p.kind is not p.VAR_POSITIONAL]
    if len(named) == len(parameters):
        first = tuple(parameters)[: len(POSITIONAL)]
        require(first == POSITIONAL, f"the first arguments are {first}.")
    graphs = case.model_class.graph_transform_parameters()
    for parameter in [*named, *graphs.values()]:
        if parameter.name in POSITIONAL or parameter.kind is parameter.VAR_KEYWORD:
            continue
        for lacking, value in (("type", parameter.annotation), ("default", parameter.default)):
            require(value is not parameter.empty, f"{parameter.name!r} has no {lacking}.")


def sizes_below_one_are_refused(case: ModelCase) -> None:
    """A number of users or items below 1 raises a ValueError that names the argument."""
    for name in POSITIONAL[:2]:
        for size in (0, -1):
            sizes: dict[str, Any] = {
                "num_users": 2,
                "num_items": 3,
                "in_channels": case.in_channels,
                name: size,
            }
            make = partial(case.model_class, **sizes, **case.options)
            require_refusal(make, f"{name}={size}", name)


def a_multimodal_model_needs_a_modality(case: ModelCase) -> None:
    """A multimodal model refuses data without features by a ValueError that names 'in_channels';
    any other model accepts it.
    """
    nothing: tuple[dict[str, int] | None, ...] = (None, {})
    for in_channels in nothing:
        make = partial(case.model_class, 2, 3, in_channels, **case.options)
        if case.model_class.multimodal:
            require_refusal(make, f"in_channels={in_channels}", "in_channels")
        else:
            make()


def the_seed_decides_the_parameters(case: ModelCase) -> None:
    """Parameters are drawn from torch's generator: the same for the same seed, and drawn again by
    reset_parameters.
    """
    model, same, other = (case.make_model(seed) for seed in (0, 0, 1))
    for (name, a), b, c in zip(
        model.named_parameters(), same.parameters(), other.parameters(), strict=True
    ):
        require(a.equal(b), f"{name!r} differs between two models of the same seed.")
        require(not a.equal(c) or _is_constant(a), f"{name!r} is the same for two seeds.")
    kept = copy.deepcopy(model.state_dict())
    # What was drawn before must not matter.
    for seed in (2, 3, 2):
        torch.manual_seed(seed)
        model.reset_parameters()
        other.reset_parameters()
    for name, value in model.state_dict().items():
        is_drawn = _is_constant(value) or not value.equal(kept[name])
        require(is_drawn, f"reset_parameters leaves {name!r} as it is.")
    torch.manual_seed(2)
    same.reset_parameters()
    for (name, a), b in zip(model.named_parameters(), same.parameters(), strict=True):
        require(a.equal(b), f"reset_parameters draws another {name!r} from the same seed.")


def options_and_weights_make_the_model_again(case: ModelCase) -> None:
    """The attribute 'options' and the state dictionary make a model of the same scores, as a run is
    loaded.
    """
    data, model = case.make()
    given = {**case.options, "in_channels": case.in_channels}
    for name, value in given.items():
        require(model.options.get(name) == value, f"options[{name!r}] is not {value!r}.")
    torch.manual_seed(1)
    again = type(model)(**model.options)
    again.load_state_dict(model.state_dict(), strict=True)
    require(again.options == model.options, f"the options became {again.options}.")
    require(str(again) == str(model), f"the model became {again}.")
    require(scores_of(again, data).equal(scores_of(model, data)), "the scores differ.")


def repr_names_the_class(case: ModelCase) -> None:
    """The text of a model starts with the name of its class."""
    text = str(case.make_model())
    require(text.startswith(f"{case.model_class.__name__}("), text)


def graph_transform_returns_a_transform(case: ModelCase) -> None:
    """graph_transform is a class method that returns a BaseTransform, and its defaults are those
    of its signature.
    """
    transform = case.model_class.graph_transform()
    require(isinstance(transform, BaseTransform), f"{transform!r}.")
    parameters = case.model_class.graph_transform_parameters()
    defaults = {name: p.default for name, p in parameters.items() if p.default is not p.empty}
    again = case.model_class.graph_transform(**defaults)
    require(str(again) == str(transform), f"{transform} without and {again} with the defaults.")


def _is_constant(parameter: Tensor) -> bool:
    # One value everywhere, as a bias of zero has.
    return bool((parameter == parameter.view(-1)[0]).all())
