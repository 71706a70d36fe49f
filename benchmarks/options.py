"""The options of models, as :mod:`soil_pyg.options` has them."""

from soil_pyg.options import Option, Selected

__all__ = ["Option", "Selected"]
