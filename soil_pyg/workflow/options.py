"""The options of a model, of its graphs and of its training, read from their signatures."""

import inspect
from argparse import SUPPRESS, ArgumentError
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jsonargparse import ArgumentParser
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.configs import available_configs, load_config
from soil_pyg.models.base import Recommender
from soil_pyg.models.resolver import import_model, model_name, own_model
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.training.trainer import NEUTRAL, Trainer
from soil_pyg.typing import ITEM, USER, features_of, modalities_of
from soil_pyg.utils.checks import check_string, check_strings
from soil_pyg.utils.data_checks import count_nodes
from soil_pyg.workflow.option_texts import option_texts
from soil_pyg.workflow.option_words import element_type, elements, plain_reason

NOT_OPTIONS = {"num_users", "num_items", "in_channels", "seed", "accelerator", "profile", *NEUTRAL}
"""Parameters that come from the data or the command line, or do not affect the result."""


GROUPS = {"model": "options", "graphs": "graphs", "trainer": "training"}
"""The titles of the groups of flags, by the part that uses them."""


@dataclass(frozen=True)
class Option:
    """The type and the default of an option in the signature, and the parts that use it: one or
    more of :obj:`"model"`, :obj:`"graphs"` and :obj:`"trainer"`, or :obj:`"data"` for the selection
    and order of modalities.
    """

    type: Any
    default: Any
    used_by: tuple[str, ...]


class ModelOptions:
    """The options of a model, selected by its name in the package, as
    :obj:`"package.module:Class"` or as the class itself.

    Raises :class:`ValueError` if the model is unknown, an option has no type or no default, or two
    options of the same name differ.
    """

    def __init__(self, spec: str | type[Recommender]) -> None:
        self.model_class: type[Recommender]
        if isinstance(spec, type):
            self.spec, self.model_class = model_name(spec), spec
        else:
            check_string("model", spec)
            self.spec = spec if ":" in spec else spec.lower()
            self.model_class = import_model(spec)
        self.name = self.model_class.__name__.lower()
        self.options: dict[str, Option] = {}
        self._add_options("model", self.model_class.model_parameters(eval_str=True))
        self._add_options("graphs", self.model_class.graph_transform_parameters())
        if self.model_class.multimodal:
            self.options.setdefault("modalities", Option(list[str] | None, None, ("data",)))
        self._add_options("trainer", dict(inspect.signature(Trainer, eval_str=True).parameters))

    def _add_options(self, taker: str, parameters: dict[str, inspect.Parameter]) -> None:
        for name, parameter in parameters.items():
            variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            if name in NOT_OPTIONS or variadic:
                continue
            option = Option(parameter.annotation, parameter.default, (taker,))
            if option.default is parameter.empty or option.type is parameter.empty:
                raise ValueError(
                    f"model '{self.spec}': '{name}' of {taker} must have a type and a default"
                )
            known = self.options.get(name, option)
            if (known.type, known.default) != (option.type, option.default):
                raise ValueError(
                    f"model '{self.spec}': '{name}' must have one type and default (got "
                    f"{known.type} = {known.default!r} in {known.used_by[0]} and "
                    f"{option.type} = {option.default!r} in {taker})"
                )
            used_by = known.used_by if known is option else (*known.used_by, taker)
            self.options[name] = Option(option.type, option.default, used_by)

    def add_arguments(self, parser: ArgumentParser, profile: str | None = None) -> None:
        """Adds a flag :obj:`--<model>.<option>` per option, with the default of a profile."""
        group = parser.add_argument_group(f"settings of {self.name}")
        of_profile = self.model_class.profiles.get(profile or "", {})
        for name, option in self.options.items():
            default = of_profile.get(name, option.default)
            group.add_argument(f"--{self.name}.{name}", type=option.type, default=default)

    def add_flags(self, parser: ArgumentParser, profile: str | None = None) -> None:
        """Adds a flag :obj:`--<option>` per option, whose help shows the default of a profile, by
        default :attr:`default_profile`. Flags that are not given set no value. Raises
        :class:`ValueError` if the parser already has a flag of that name.
        """
        of_profile = self.model_class.profiles.get(profile or self.default_profile or "", {})
        groups = {
            taker: parser.add_argument_group(f"{title} of {self.name}")
            for taker, title in GROUPS.items()
        }
        texts = self.texts()
        for name, option in self.options.items():
            group = groups["graphs" if option.used_by[0] == "data" else option.used_by[0]]
            value = of_profile.get(name, option.default)
            default = "" if value is None else f" (default: {value})"
            text = f"{texts.get(name, name)}{default}".replace("%", "%%")
            how: dict[str, Any] = {"type": option.type}
            if element_type(option.type) is not None:
                how = {"type": int | float | str, "nargs": "+", "metavar": name.upper()}
            try:
                flag = f"--{name.replace('_', '-')}"
                group.add_argument(flag, default=SUPPRESS, help=text, **how)
            except (ArgumentError, ValueError) as error:
                raise ValueError(
                    f"model '{self.spec}': its option '{name}' cannot be a flag ({error})"
                ) from error

    def texts(self) -> dict[str, str]:
        """Returns the description of each option in the docstrings of its owners."""
        graphs = self.model_class.graph_transform
        transform = inspect.signature(graphs, eval_str=True).return_annotation
        transforms = getattr(transform, "__mro__", ())
        owners = [*self.model_class.__mro__, graphs, *transforms, SearchOptions, Trainer]
        modalities = {"modalities": "The modalities to use, in this order (default: all)."}
        return option_texts(owners) | modalities

    def values_of_flags(self, given: dict[str, Any]) -> dict[str, Any]:
        """Returns the values of the flags of :meth:`add_flags`, in which the elements of a list are
        separate words or separated by commas. Raises :class:`ValueError` if one has another type.
        """
        values = dict(given)
        for name in given.keys() & self.options.keys():
            element = element_type(self.options[name].type)
            if element is not None and given[name] is not None:
                values[name] = elements(name, given[name], element)
        return values

    @property
    def default_profile(self) -> str | None:
        """The profile to use if none is given: :obj:`"released"`, or else the first one."""
        names = list(self.model_class.profiles)
        return "released" if "released" in names else next(iter(names), None)

    def check(self, values: dict[str, Any], where: str) -> dict[str, Any]:
        """Returns the values of options converted to the types of the options. Raises
        :class:`ValueError`, which names the source of the values, if an option is unknown or its
        value has another type.
        """
        unknown = sorted(set(values) - set(self.options))
        if unknown:
            raise ValueError(
                f"{where}: model '{self.spec}' has no option '{unknown[0]}' (its options: "
                f"{', '.join(sorted(self.options))})"
            )
        parser = ArgumentParser(exit_on_error=False)
        self.add_arguments(parser)
        try:
            parsed = parser.parse_object({self.name: values}, defaults=False)
        except ArgumentError as error:
            raise ValueError(f"{where}: {plain_reason(error.message)}") from error
        return dict(parsed.as_dict().get(self.name, {}))

    def settings(self, dataset: str, profile: str | None, flags: dict[str, Any]) -> dict[str, Any]:
        """Returns the value of each option. In ascending precedence, values come from the default,
        the profile, the settings of the data set, those of the profile on the data set, and flags.

        Raises :class:`ValueError` if the model has other profiles, or if a profile or the
        configuration sets an unknown option or a value of another type.
        """
        defaults = {name: option.default for name, option in self.options.items()}
        return defaults | self._of_profile(profile) | self._of_dataset(dataset, profile) | flags

    def _of_profile(self, profile: str | None) -> dict[str, Any]:
        profiles = self.model_class.profiles
        if profiles and profile not in profiles:
            raise ValueError(
                f"'profile' must be one of {', '.join(profiles)} for model '{self.spec}' "
                f"(got '{profile}')"
            )
        return self.check(profiles.get(profile or "", {}), f"profile '{profile}'")

    def _of_dataset(self, dataset: str, profile: str | None) -> dict[str, Any]:
        if ":" in self.spec or self.name not in available_configs():
            return {}
        config, file = load_config(self.name), f"{self.name}.yaml"
        of_profile = config.profiles.get(profile or "", {}).get(dataset, {})
        settings = self.check(config.settings.get(dataset, {}), f"{file}: settings.{dataset}")
        return settings | self.check(of_profile, f"{file}: profiles.{profile}.{dataset}")

    def values_for(self, taker: str, settings: dict[str, Any]) -> dict[str, Any]:
        """Returns the settings used by :obj:`"model"`, :obj:`"graphs"` or :obj:`"trainer"`."""
        names = [name for name, option in self.options.items() if taker in option.used_by]
        return {name: settings[name] for name in names}


def build_model(selected: ModelOptions, settings: dict[str, Any], data: HeteroData) -> Recommender:
    """Builds the model with the sizes of the data and the modalities of the settings. Raises
    :class:`ValueError` if the data lacks a modality, or the model rejects an option.
    """
    modalities = settings.get("modalities")
    if modalities is None:
        modalities = modalities_of(data)
    else:
        check_strings("modalities", modalities)
    features = select_features(data, modalities, "modalities")
    try:
        return selected.model_class(
            num_users=count_nodes(data, USER),
            num_items=count_nodes(data, ITEM),
            in_channels={name: x.size(1) for name, x in features.items()},
            **selected.values_for("model", settings),
        )
    except (Exception, SystemExit) as error:
        if isinstance(error, ValueError) or own_model(selected.spec) is not None:
            raise
        raise ValueError(f"Model '{selected.spec}' cannot be built: {error!r}") from error


def select_features(data: HeteroData, names: Iterable[str], argument: str) -> dict[str, Tensor]:
    """Returns the item features of modalities, or raises :class:`ValueError`, which names the
    argument that selected them, if the data lacks one.
    """
    known = features_of(data)
    for name in names:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise ValueError(
                f"'{argument}' must name modalities of the data: {listed} (got '{name}')"
            )
    return {name: known[name] for name in names}


def build_trainer(
    selected: ModelOptions, settings: dict[str, Any], seed: int, **others: Any
) -> Trainer:
    """Builds the trainer on the device of the settings, with other arguments that are no settings,
    such as the number of devices.
    """
    options = selected.values_for("trainer", settings)
    return Trainer(**options, seed=seed, accelerator=settings["device"], **others)
