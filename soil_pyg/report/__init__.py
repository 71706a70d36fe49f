"""One self-contained page on a run or on a folder of runs."""

from soil_pyg.report.report import report

__all__ = ["report"]
