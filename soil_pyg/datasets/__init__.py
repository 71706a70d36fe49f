"""Data sets, and everything that reads or writes data on disk."""

from soil_pyg.datasets.amazon import Amazon
from soil_pyg.datasets.hetero_dataset import HeteroDataset
from soil_pyg.datasets.movielens import MovieLens
from soil_pyg.datasets.multimodal import MultimodalDataset
from soil_pyg.datasets.synthetic import SyntheticMultimodal
from soil_pyg.datasets.table import TableDataset
from soil_pyg.datasets.tiktok import TikTok

__all__ = [
    "Amazon",
    "HeteroDataset",
    "MovieLens",
    "MultimodalDataset",
    "SyntheticMultimodal",
    "TableDataset",
    "TikTok",
]
