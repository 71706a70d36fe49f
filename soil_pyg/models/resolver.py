import inspect
import sys
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType
from typing import Any

from soil_pyg.models.base import Recommender


def import_model(name: str) -> type[Recommender]:
    """Returns the class of a model that a user names.

    Args:
        name (str): The name of a model of this package in lower case, such as :obj:`"soil"`, or
            :obj:`"package.module:Class"` for any other.

    Raises:
        ValueError: If the name is unknown, cannot be imported, or names no concrete
            :class:`~soil_pyg.models.Recommender`.

    Example:
        >>> import_model("lightgcn").__name__
        'LightGCN'
        >>> import_model("soil_pyg.models.lightgcn:LightGCN").__name__
        'LightGCN'
    """
    module_name, separator, class_name = name.partition(":")
    if not separator:
        found = own_models().get(name.lower())
        if found is None:
            names = sorted(own_models())
            near = get_close_matches(name.lower(), names, 1)
            hint = f": did you mean '{near[0]}'?" if near else ""
            raise ValueError(
                f"'model' must be one of {', '.join(names)} or, for a model of your own, "
                f"package.module:Class (got '{name}'){hint}"
            )
        return found
    value: Any = import_named(module_name, f"'model' must name a class: '{name}'")
    try:
        for part in class_name.split("."):
            value = getattr(value, part)
    except AttributeError as error:
        raise ValueError(
            f"'model' must name a class: '{name}' cannot be imported: {error}"
        ) from error
    return _concrete(name, value)


def import_named(module: str, what: str) -> ModuleType:
    """Returns a module that a user names.

    Raises :class:`ValueError`, whose message begins with :obj:`what`, if the import fails in any
    way or exits the process.
    """
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:
        reason = str(error) if isinstance(error, ImportError | ValueError) else repr(error)
        raise ValueError(f"{what} cannot be imported: {reason}") from error
    finally:
        # A failed import must leave nothing on the disk.
        sys.dont_write_bytecode = writes


def own_model(name: str) -> type[Recommender] | None:
    """Returns the model of this package with a name in either form, :obj:`None` if there is none.

    Example:
        >>> own_model("bpr").__name__, own_model("soil_pyg.models.bpr:BPR").__name__
        ('BPR', 'BPR')
    """
    models = own_models()
    return models.get(name) or {model_name(model): model for model in models.values()}.get(name)


def find_model(name: str) -> type[Recommender]:
    """Returns the class that the folder of a run names, without an import that the folder chooses:
    a model of this package, or a class of a module that the program has imported.

    Raises:
        ValueError: If it is neither, or no concrete :class:`~soil_pyg.models.Recommender`.

    Example:
        >>> find_model("soil_pyg.models.lightgcn:LightGCN").__name__
        'LightGCN'
    """
    if (own := own_model(name)) is not None:
        return own
    module, _, class_name = name.partition(":")
    value: Any = sys.modules.get(module)
    for part in class_name.split("."):
        # Unlike getattr, this runs no code of the module.
        value = vars(value).get(part) if isinstance(value, ModuleType | type) else None
    if value is None:
        raise ValueError(
            f"The model '{name}' is not one of this package, and a run does not choose what is "
            f"imported: name its class in 'model' of soil_pyg.load ('--model-module {module}' in a "
            "command) if you trust it"
        )
    return _concrete(name, value)


def model_name(model_class: type[Recommender]) -> str:
    """Returns the name :obj:`"package.module:Class"` of a class, for :func:`import_model`.

    Example:
        >>> from soil_pyg.models import LightGCN
        >>> model_name(LightGCN)
        'soil_pyg.models.lightgcn:LightGCN'
    """
    return f"{model_class.__module__}:{model_class.__qualname__}"


def _concrete(name: str, value: Any) -> type[Recommender]:
    if not isinstance(value, type) or not issubclass(value, Recommender):
        kind = value.__name__ if isinstance(value, type) else type(value).__name__
        raise ValueError(f"'model' must be a subclass of Recommender (got {kind} for '{name}')")
    if inspect.isabstract(value):
        raise ValueError(f"'model' must define 'forward' and 'loss' (got '{name}')")
    return value


def own_models() -> dict[str, type[Recommender]]:
    """Returns the models of this package by their names in lower case."""
    # Imported here, as the package may import this module.
    package = import_module("soil_pyg.models")
    exports = {export.lower(): getattr(package, export) for export in package.__all__}
    return {key: model for key, model in exports.items() if not inspect.isabstract(model)}
