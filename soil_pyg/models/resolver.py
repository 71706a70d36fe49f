import inspect
from importlib import import_module

from soil_pyg.models.base import Recommender


def import_model(name: str) -> type[Recommender]:
    """Returns the class of a model by its name.

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
        return _own_model(name)
    try:
        found = import_module(module_name)
        for part in class_name.split("."):
            found = getattr(found, part)
    except (ImportError, ValueError, AttributeError) as error:
        raise ValueError(f"The model '{name}' cannot be imported: {error}") from error
    if not isinstance(found, type) or not issubclass(found, Recommender):
        raise ValueError(f"The model '{name}' must be a subclass of Recommender (got {found!r})")
    if inspect.isabstract(found):
        raise ValueError(f"The model '{name}' must define 'forward' and 'loss'")
    return found


def model_name(model_class: type[Recommender]) -> str:
    """Returns the name :obj:`"package.module:Class"` of a class, for :func:`import_model`.

    Example:
        >>> from soil_pyg.models import LightGCN
        >>> model_name(LightGCN)
        'soil_pyg.models.lightgcn:LightGCN'
    """
    return f"{model_class.__module__}:{model_class.__qualname__}"


def _own_model(name: str) -> type[Recommender]:
    # Imported here, as the package may import this module.
    package = import_module("soil_pyg.models")
    exports = {export.lower(): getattr(package, export) for export in package.__all__}
    models = {key: model for key, model in exports.items() if not inspect.isabstract(model)}
    if name not in models:
        raise ValueError(
            f"The model '{name}' is not one of {', '.join(sorted(models))}; name a model of your "
            "own by 'package.module:Class'"
        )
    found: type[Recommender] = models[name]
    return found
