"""One self-contained page on a run or on a folder of runs."""

from soil_pyg.reports.report import report

__all__ = ["report"]
