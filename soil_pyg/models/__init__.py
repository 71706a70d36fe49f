"""Models: one file per paper, on the layers of :mod:`soil_pyg.nn` and under one contract.

All are used alike. :meth:`Recommender.graph_transform` adds the graphs to the data, and
:meth:`Recommender.forward` returns the embeddings:

>>> import torch
>>> from torch_geometric.data import HeteroData
>>> data = HeteroData()
>>> data["user"].num_nodes, data["item"].num_nodes = 2, 3
>>> data["item"].x_image, data["item"].x_text = torch.rand(3, 4), torch.rand(3, 6)
>>> data["user", "interacts", "item"].edge_index = torch.tensor([[0, 0, 1], [0, 1, 2]])
>>> data = FREEDOM.graph_transform(k=2)(data)
>>> model = FREEDOM(num_users=2, num_items=3, in_channels={"image": 4, "text": 6})
>>> user_emb, item_emb = model(data)
>>> (user_emb @ item_emb.t()).size()
torch.Size([2, 3])
"""

from soil_pyg.models.base import Recommender
from soil_pyg.models.bm3 import BM3
from soil_pyg.models.bpr import BPR
from soil_pyg.models.embedding_recommender import EmbeddingRecommender
from soil_pyg.models.freedom import FREEDOM
from soil_pyg.models.item_knn import ItemKNN
from soil_pyg.models.lattice import LATTICE
from soil_pyg.models.lgmrec import LGMRec
from soil_pyg.models.lightgcn import LightGCN
from soil_pyg.models.mgcn import MGCN
from soil_pyg.models.popularity import Popularity
from soil_pyg.models.slmrec import SLMRec
from soil_pyg.models.soil import SOIL
from soil_pyg.models.vbpr import VBPR

__all__ = [
    "BM3",
    "BPR",
    "FREEDOM",
    "LATTICE",
    "MGCN",
    "SOIL",
    "VBPR",
    "EmbeddingRecommender",
    "ItemKNN",
    "LGMRec",
    "LightGCN",
    "Popularity",
    "Recommender",
    "SLMRec",
]
