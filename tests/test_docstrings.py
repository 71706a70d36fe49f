"""What docstrings say of defaults, held against the signatures."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

import soil_pyg

ARGUMENT = re.compile(
    r"^ {4,}(?P<name>\w+) \(.*?\): (?P<text>(?:.|\n)*?)(?=^ {4,}\w+ \(.*?\): |^\s*$|\Z)",
    re.MULTILINE,
)
DEFAULT = re.compile(r"\(default:\s+:obj:`(?P<value>[^`]+)`")


def documented_defaults(docstring: str) -> dict[str, Any]:
    """Returns the defaults that the section of the arguments names, by argument."""
    _, _, section = docstring.partition("Args:\n")
    section = section.split("\n\n")[0] + "\n\n"
    found = {}
    for argument in ARGUMENT.finditer(section):
        default = DEFAULT.search(argument["text"])
        if default is not None:
            found[argument["name"]] = eval(default["value"], {"__builtins__": {}})
    return found


def defaults_of(item: Any) -> dict[str, Any]:
    """Returns the documented defaults of a class, those of its bases included, or a function."""
    found: dict[str, Any] = {}
    for owner in inspect.getmro(item) if inspect.isclass(item) else [item]:
        if owner.__module__.startswith("soil_pyg"):
            found = documented_defaults(owner.__doc__ or "") | found
    return found


def documented() -> Iterator[Any]:
    """Yields the public classes and functions of the package whose docstrings name defaults."""
    for module in pkgutil.walk_packages(soil_pyg.__path__, "soil_pyg."):
        if module.name.endswith("__main__"):
            continue
        content = importlib.import_module(module.name)
        for name, value in vars(content).items():
            is_own = getattr(value, "__module__", "") == module.name and not name.startswith("_")
            if is_own and (inspect.isclass(value) or inspect.isfunction(value)):
                methods = vars(value).values() if inspect.isclass(value) else ()
                for item in (value, *filter(inspect.isfunction, methods)):
                    if defaults_of(item):
                        yield pytest.param(item, id=f"{module.name}.{item.__qualname__}")


@pytest.mark.parametrize("item", list(documented()))
def test_documented_defaults_are_those_of_the_signature(item: Any) -> None:
    target = item.__init__ if inspect.isclass(item) else item
    parameters = inspect.signature(target).parameters
    found = defaults_of(item)
    defaults = {name: parameters[name].default for name in found if name in parameters}
    # None stands for what the docstring says.
    plain = [name for name, default in defaults.items() if default is not None]
    assert {name: defaults[name] for name in plain} == {name: found[name] for name in plain}
    own = documented_defaults(item.__doc__ or "")
    variadic = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    assert variadic or set(own) <= set(defaults)


def test_defaults_are_found_in_a_docstring() -> None:
    text = """Does it.

    Args:
        k (int, optional): The number,
            at least 1. (default: :obj:`2**3`)
        x (Tensor): The values.
        aggr (str, optional): How. (default:
            :obj:`"max"`)

    Raises:
        ValueError: If not. (default: :obj:`1`)
    """
    assert documented_defaults(text) == {"k": 8, "aggr": "max"}


REFERRED = re.compile(
    r"^ {4,}(?P<names>\w+(?:, \w+)*) \((?:\w+, )?optional\): See\s+"
    r":class:`[~.]*(?P<name>\w[\w.]*)`",
    re.MULTILINE,
)


def referred() -> Iterator[Any]:
    """Yields the classes whose docstrings name another class for an argument, and that class."""
    classes: dict[str, Any] = {}
    for module in pkgutil.walk_packages(soil_pyg.__path__, "soil_pyg."):
        if not module.name.endswith("__main__"):
            content = vars(importlib.import_module(module.name)).values()
            classes |= {x.__name__: x for x in content if inspect.isclass(x)}
    for item in classes.values():
        if item.__module__.startswith("soil_pyg"):
            for found in REFERRED.finditer(item.__doc__ or ""):
                other = classes.get(found["name"].rpartition(".")[2])
                for name in found["names"].split(", "):
                    yield pytest.param(
                        item, other, name, id=f"{item.__module__}.{item.__name__}-{name}"
                    )


@pytest.mark.parametrize(("item", "other", "name"), list(referred()))
def test_defaults_are_those_of_the_class_that_is_named(item: Any, other: Any, name: str) -> None:
    mine, theirs = (inspect.signature(x).parameters[name].default for x in (item, other))
    assert mine == theirs
