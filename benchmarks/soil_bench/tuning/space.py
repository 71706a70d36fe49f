"""The space of a search: the values to try for each option, and their combinations."""

import json
import math
from typing import Any, get_args

import numpy as np

from soil_pyg.configs import available_configs, load_config
from soil_pyg.workflow.options import ModelOptions

FIXED = "metric"
"""The option that all trials must share to be compared."""
Texts = dict[str, str]
"""The text of each option's value, by option."""


class Space:
    """All combinations of the values of options, with each value written as JSON.

    Args:
        values (dict[str, list[Any]]): The values of each option, at least one each.
        configured (dict[str, Any]): The configured value of each option, with which the search
            begins; it begins with the first value if the configured one is not in the space.
    """

    def __init__(self, values: dict[str, list[Any]], configured: dict[str, Any]) -> None:
        self._values = {
            name: {json.dumps(value): value for value in column} for name, column in values.items()
        }
        self.texts = {name: list(column) for name, column in self._values.items()}
        self.size = math.prod(len(column) for column in self.texts.values())
        self.first: Texts = {}
        for name, column in self.texts.items():
            text = json.dumps(configured[name])
            self.first[name] = text if text in column else column[0]

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The values of each option."""
        return {name: list(column.values()) for name, column in self._values.items()}

    def values_of(self, texts: Texts) -> dict[str, Any]:
        """Returns the values of a combination."""
        return {name: column[texts[name]] for name, column in self._values.items()}

    def texts_of(self, options: dict[str, Any]) -> Texts:
        """Returns the texts of a combination of values."""
        return {name: json.dumps(options[name]) for name in self.texts}

    def key(self, texts: Texts) -> tuple[str, ...]:
        """Returns the texts of a combination in the order of the options."""
        return tuple(texts[name] for name in self.texts)

    def untried(self, start: int, tried: set[tuple[str, ...]]) -> Texts:
        """Returns the first untried combination from a number on; there must be one."""
        shape = [len(column) for column in self.texts.values()]
        for number in range(start, start + len(tried) + 1):
            places = np.unravel_index(number % self.size, shape)
            columns = self.texts.items()
            texts = {name: column[i] for (name, column), i in zip(columns, places, strict=True)}
            if self.key(texts) not in tried:
                return texts
        raise ValueError("all combinations were tried")


def make_space(selected: ModelOptions, given: dict[str, Any], settings: dict[str, Any]) -> Space:
    """Returns the space of a model: the values in its configuration, including the configured
    ones, with given values of an option replacing those of the configuration.

    Args:
        selected (ModelOptions): The model.
        given (dict[str, Any]): The values of each option: a list, or texts separated by commas.
        settings (dict[str, Any]): The configured settings.

    Raises:
        ValueError: If there is nothing to search, or if an option is unknown, has no values or a
            value of another type.
    """
    known: dict[str, list[Any]] = {}
    if ":" not in selected.spec and selected.name in available_configs():
        known = load_config(selected.name).search
    values = {name: _checked(selected, name, column) for name, column in known.items()}
    for name, column in values.items():
        if settings[name] not in column:
            column.insert(0, settings[name])
    values |= {name: _checked(selected, name, _listed(column)) for name, column in given.items()}
    if not values:
        raise ValueError(
            f"model '{selected.spec}' has no search space: name the values of an option, such as "
            f"--search.lr 0.001,0.01"
        )
    return Space(values, settings)


def _listed(given: Any) -> list[Any]:
    if isinstance(given, str):
        return [part.strip() for part in given.split(",")]
    return given if isinstance(given, list) else [given]


def _checked(selected: ModelOptions, name: str, values: list[Any]) -> list[Any]:
    where = f"'--search.{name}'"
    if name == FIXED:
        raise ValueError(f"{where}: all trials must share the metric that ranks them")
    if not values:
        raise ValueError(f"{where} must hold at least one value (got none)")
    checked = [selected.check({name: value}, where)[name] for value in values]
    if None in checked and type(None) not in get_args(selected.options[name].type):
        raise ValueError(f"{where} must hold values of '{name}' (got {values})")
    return checked
