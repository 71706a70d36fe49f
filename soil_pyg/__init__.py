"""SOIL and its baselines for multimodal recommendation on PyTorch Geometric."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soil_pyg.add_items import add_items
    from soil_pyg.add_users import add_users
    from soil_pyg.checkpoint import load
    from soil_pyg.compare import compare
    from soil_pyg.data_folder import load_data_folder
    from soil_pyg.evaluate import evaluate
    from soil_pyg.explain import explain
    from soil_pyg.prepare import prepare
    from soil_pyg.recommend import recommend, recommend_blocks
    from soil_pyg.report.report import report
    from soil_pyg.similar import similar
    from soil_pyg.train import train

__version__ = "0.1.0"
__all__ = [
    "add_items",
    "add_users",
    "compare",
    "evaluate",
    "explain",
    "load",
    "load_data_folder",
    "prepare",
    "recommend",
    "recommend_blocks",
    "report",
    "similar",
    "train",
    "__version__",
]

# Imported when they are used, so that importing the package is quick.
_MODULES = {
    "load": "checkpoint",
    "load_data_folder": "data_folder",
    "prepare": "prepare",
    "train": "train",
    "recommend": "recommend",
    "recommend_blocks": "recommend",
    "report": "report",
    "similar": "similar",
    "evaluate": "evaluate",
    "compare": "compare",
    "explain": "explain",
    "add_items": "add_items",
    "add_users": "add_users",
}


class _Package(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        # Importing a module puts it where the function of the same name belongs.
        if _MODULES.get(name) == name and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


sys.modules[__name__].__class__ = _Package
