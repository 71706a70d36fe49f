"""Models: each is its paper's idea on the layers of :mod:`soil_pyg.nn`, under one contract."""

from soil_pyg.models.base import Recommender
from soil_pyg.models.bpr import BPR
from soil_pyg.models.item_knn import ItemKNN
from soil_pyg.models.lightgcn import LightGCN
from soil_pyg.models.popularity import Popularity
from soil_pyg.models.soil import SOIL

__all__ = ["BPR", "SOIL", "ItemKNN", "LightGCN", "Popularity", "Recommender"]
