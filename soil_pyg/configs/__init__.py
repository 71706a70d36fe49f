"""Settings of the models: one file per model, named after its class in lower case."""

from dataclasses import MISSING, dataclass, field, fields
from importlib.resources import files
from typing import Any

import yaml

from soil_pyg.utils.checks import check_choice

__all__ = ["Config", "available_configs", "load_config"]


@dataclass(frozen=True)
class Config:
    """The source, the settings and the published results of a model.

    Args:
        citation (str): The paper.
        source (str): The address of the paper.
        settings (dict[str, dict[str, Any]]): The option values per data set, with those of the
            schedule.
        search (dict[str, list[Any]]): The values to search per option.
        published (dict[str, dict[str, float]]): The published test metrics per data set.
        profiles (dict[str, dict[str, dict[str, Any]]], optional): The option values per profile and
            data set, which replace those of :obj:`settings`. (default: none)
        schedule (dict[str, Any], optional): The learning rate, its decay and the patience of the
            published code, which hold for every data set in :obj:`settings` that sets no other
            value. (default: none)
        published_source (dict[str, str], optional): The publication that each data set's
            :obj:`published` metrics are copied from. (default: none)
    """

    citation: str
    source: str
    settings: dict[str, dict[str, Any]]
    search: dict[str, list[Any]]
    published: dict[str, dict[str, float]]
    profiles: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=dict)
    published_source: dict[str, str] = field(default_factory=dict)


def available_configs() -> list[str]:
    """Returns the names of the models that have a configuration, sorted."""
    names = (entry.name for entry in files(__name__).iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def load_config(model_name: str) -> Config:
    """Returns the configuration of a model.

    Args:
        model_name (str): The name of the model's class in lower case, such as :obj:`"soil"`.

    Raises:
        ValueError: If no model has this name or its file does not have the expected form.

    Example:
        >>> load_config("soil").settings["sports"]["k_a"]
        6
    """
    check_choice("model_name", model_name, available_configs())
    file_name = f"{model_name}.yaml"
    return parse_config(files(__name__).joinpath(file_name).read_text("utf-8"), file_name)


def parse_config(text: str, file_name: str) -> Config:
    """Returns the configuration that a YAML text holds; :obj:`file_name` is its origin, for errors.

    Raises :class:`ValueError` if the text is not YAML or does not have the expected form.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{file_name}: not valid YAML: {error}") from error
    names = [known.name for known in fields(Config) if known.default_factory is MISSING]
    optional = {known.name for known in fields(Config)} - set(names)
    if not isinstance(content, dict) or set(content) - optional != set(names):
        got = ", ".join(map(str, content)) if isinstance(content, dict) else repr(content)
        raise ValueError(f"{file_name}: must hold exactly {', '.join(names)} (got {got})")
    for name in ("citation", "source"):
        if not isinstance(content[name], str) or not content[name]:
            raise ValueError(f"{file_name}: '{name}' must be a text (got {content[name]!r})")
    _check_mapping(content["search"], list, f"{file_name}: 'search'")
    for section in ("settings", "published"):
        _check_mapping(content[section], dict, f"{file_name}: '{section}'")
        for dataset, values in content[section].items():
            types = object if section == "settings" else float
            _check_mapping(values, types, f"{file_name}: '{section}.{dataset}'")
    _check_mapping(content.get("profiles", {}), dict, f"{file_name}: 'profiles'")
    for profile, settings in content.get("profiles", {}).items():
        _check_mapping(settings, dict, f"{file_name}: 'profiles.{profile}'")
    sources = content.get("published_source", {})
    _check_mapping(sources, str, f"{file_name}: 'published_source'")
    if set(sources) != set(content["published"]):
        wanted, got = (", ".join(names) or "none" for names in (content["published"], sources))
        message = f"must name the data sets of 'published', {wanted} (got {got})"
        raise ValueError(f"{file_name}: 'published_source' {message}")
    schedule = content.get("schedule", {})
    _check_mapping(schedule, object, f"{file_name}: 'schedule'")
    settings = {dataset: schedule | values for dataset, values in content["settings"].items()}
    return Config(**content | {"settings": settings})


def _check_mapping(value: object, value_type: type, where: str) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be a mapping (got {value!r})")
    for key, entry in value.items():
        if not isinstance(key, str):
            raise ValueError(f"{where} must have names as keys (got {key!r})")
        if not isinstance(entry, value_type):
            raise ValueError(f"{where}: '{key}' must be a {value_type.__name__} (got {entry!r})")
