"""The settings of a run beside their defaults."""

import json
from dataclasses import dataclass
from typing import Any

from soil_pyg.reports.runs import SIZES, Run
from soil_pyg.workflow.options import ModelOptions


@dataclass(frozen=True)
class Setting:
    """A setting of a run.

    Args:
        name (str): Its name.
        value (Any): Its value.
        default (Any): The default.
        taker (str, optional): What takes it: the model, its graphs or its training. What is only
            recorded with the run has neither taker nor default.
    """

    name: str
    value: Any
    default: Any = None
    taker: str | None = None

    @property
    def is_changed(self) -> bool:
        """Whether the value differs from the default."""
        return self.taker is not None and self.value != self.default


def list_settings(run: Run) -> list[Setting]:
    """Returns the settings of a run: those with a default, by what takes them, and then the rest.

    The defaults are those of the profile that the run names, if it does.

    Args:
        run (Run): The run.
    """
    content = run.content
    values = {**content["settings"], **content["trainer"], **content["options"]}
    values = {name: value for name, value in values.items() if name not in SIZES}
    try:
        selected = ModelOptions(content["model"])
    except ValueError:  # A model whose options have no types or defaults.
        return [Setting(name, value) for name, value in values.items()]
    profile = selected.model_class.profiles.get(values.get("profile", ""), {})
    known = [
        Setting(
            name,
            values.pop(name),
            # As it would be stored.
            json.loads(json.dumps(profile.get(name, option.default))),
            " and ".join(option.used_by),
        )
        for name, option in selected.options.items()
        if name in values
    ]
    known.sort(key=lambda setting: str(setting.taker))
    return known + [Setting(name, value) for name, value in values.items()]
