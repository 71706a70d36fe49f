"""Reading of configuration files, whose numbers stand as they are written."""

import json
import re
from collections.abc import Hashable
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

_MAX_PARTS = 10_000
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)")


class _Loader(yaml.SafeLoader):
    """Refuses what YAML takes silently: names that occur twice, and integers of other bases."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        names = [self.construct_object(name, deep=True) for name, _ in node.value]
        for i, name in enumerate(names):
            if name in names[:i]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{name!r} occurs twice", node.value[i][0].start_mark
                )
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: Any) -> Any:
        if not _INTEGER.fullmatch(node.value):
            raise yaml.constructor.ConstructorError(
                None, None, f"{node.value} must be a decimal number", node.start_mark
            )
        return super().construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def read_config(path: str) -> dict[str, Any]:
    """Returns the names and values of the file that :obj:`--config` names. Raises
    :class:`ValueError` if it cannot be read.
    """
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
        values = yaml.load(text, _Loader)
        _check_aliases(values)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"'--config' must be a YAML file (got '{path}': {error})") from error
    if not isinstance(values, dict):
        raise ValueError(f"'--config' must hold names and values (got '{path}')")
    return values


def _check_aliases(values: Any) -> None:
    """Raises :class:`ValueError` for values that fill the memory once aliases are written out."""
    parts = json.JSONEncoder(skipkeys=True, default=str).iterencode(values)
    if next(islice(parts, _MAX_PARTS, None), None) is not None:
        raise ValueError(f"it must hold fewer than {_MAX_PARTS} values")
