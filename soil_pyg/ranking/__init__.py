"""Rankings of items for users, and their metrics."""

from soil_pyg.ranking.evaluator import Evaluator

__all__ = ["Evaluator"]
