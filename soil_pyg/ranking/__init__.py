"""Rankings of items for users, and their metrics."""

from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.ranking.group_metrics import GroupMetrics, evaluate_groups
from soil_pyg.ranking.metrics import ListMetrics

__all__ = ["Evaluator", "GroupMetrics", "ListMetrics", "evaluate_groups"]
