"""Interactions of any layout, as read."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from soil_pyg.datasets.features import FeatureSource
from soil_pyg.datasets.frames import Table
from soil_pyg.datasets.multimodal import COLUMNS

SPLIT = COLUMNS[2]
"""The column of a split that the layout has."""


@dataclass
class Source:
    """Interactions as read, before any are dropped, with the features and items of the layout."""

    table: Table
    name: str
    split_column: str | None = None
    features: dict[str, FeatureSource] = field(default_factory=dict)
    items: np.ndarray | None = None
    files: dict[str, Path] = field(default_factory=dict)
    """The files that were read, by content."""
