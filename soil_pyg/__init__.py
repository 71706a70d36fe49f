"""SOIL and its baselines for multimodal recommendation on PyTorch Geometric."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from soil_pyg.utils.huge_pages import use_huge_pages
from soil_pyg.utils.threads import limit_spins

if TYPE_CHECKING:
    from soil_pyg.datasets.data_folder import load_data_folder
    from soil_pyg.reports.report import report
    from soil_pyg.runs.checkpoint import load
    from soil_pyg.workflow.add_items import add_items
    from soil_pyg.workflow.add_users import add_users
    from soil_pyg.workflow.compare import compare
    from soil_pyg.workflow.encode import encode
    from soil_pyg.workflow.evaluate import evaluate
    from soil_pyg.workflow.explain import explain
    from soil_pyg.workflow.prepare import prepare
    from soil_pyg.workflow.recommend import recommend, recommend_blocks
    from soil_pyg.workflow.similar import similar
    from soil_pyg.workflow.train import train

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "add_items",
    "add_users",
    "compare",
    "encode",
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
]

_MODULES = {
    "add_items": "workflow.add_items",
    "add_users": "workflow.add_users",
    "compare": "workflow.compare",
    "encode": "workflow.encode",
    "evaluate": "workflow.evaluate",
    "explain": "workflow.explain",
    "load": "runs.checkpoint",
    "load_data_folder": "datasets.data_folder",
    "prepare": "workflow.prepare",
    "recommend": "workflow.recommend",
    "recommend_blocks": "workflow.recommend",
    "report": "reports.report",
    "similar": "workflow.similar",
    "train": "workflow.train",
}
"""The module of each function, imported on first use to keep the import of the package fast."""


# Every use of the package comes by here, most of them before torch.
limit_spins()
use_huge_pages()


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
