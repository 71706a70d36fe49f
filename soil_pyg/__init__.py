"""SOIL and its baselines for multimodal recommendation on PyTorch Geometric."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soil_pyg.checkpoint import load

__version__ = "0.1.0"
__all__ = ["load", "__version__"]


def __getattr__(name: str) -> Any:
    # Imported when it is used, so that importing the package is quick.
    if name == "load":
        from soil_pyg.checkpoint import load

        return load
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
