"""Models: one file per paper, on the layers of :mod:`soil_pyg.nn` and under one contract.

All are used alike. :meth:`Recommender.graph_transform` adds the graphs to the data, and
:meth:`Recommender.forward` returns the embeddings:

>>> from soil_pyg.datasets import SyntheticMultimodal
>>> data = FREEDOM.graph_transform(k=2)(SyntheticMultimodal(num_users=40, num_items=30)[0])
>>> model = FREEDOM(num_users=40, num_items=30, in_channels={"image": 64, "text": 32})
>>> user_emb, item_emb = model(data)
>>> (user_emb @ item_emb.t()).size()
torch.Size([40, 30])
"""

from soil_pyg.models.base import Recommender
from soil_pyg.models.bm3 import BM3
from soil_pyg.models.bpr import BPR
from soil_pyg.models.cohesion import COHESION
from soil_pyg.models.damrs import DAMRS
from soil_pyg.models.dragon import DRAGON
from soil_pyg.models.dualgnn import DualGNN
from soil_pyg.models.embedding_recommender import EmbeddingRecommender
from soil_pyg.models.freedom import FREEDOM
from soil_pyg.models.grcn import GRCN
from soil_pyg.models.gume import GUME
from soil_pyg.models.item_knn import ItemKNN
from soil_pyg.models.lattice import LATTICE
from soil_pyg.models.layergcn import LayerGCN
from soil_pyg.models.lgmrec import LGMRec
from soil_pyg.models.lightgcn import LightGCN
from soil_pyg.models.mentor import MENTOR
from soil_pyg.models.mgcn import MGCN
from soil_pyg.models.mmgcn import MMGCN
from soil_pyg.models.mmgf import MMGF
from soil_pyg.models.ngcf import NGCF
from soil_pyg.models.pgl import PGL
from soil_pyg.models.popularity import Popularity
from soil_pyg.models.sgl import SGL
from soil_pyg.models.simgcl import SimGCL
from soil_pyg.models.slmrec import SLMRec
from soil_pyg.models.smore import SMORE
from soil_pyg.models.soil import SOIL
from soil_pyg.models.vbpr import VBPR
from soil_pyg.models.xsimgcl import XSimGCL

__all__ = [
    "BM3",
    "BPR",
    "DAMRS",
    "COHESION",
    "DRAGON",
    "FREEDOM",
    "GRCN",
    "GUME",
    "LATTICE",
    "MENTOR",
    "MGCN",
    "MMGF",
    "MMGCN",
    "NGCF",
    "SGL",
    "SMORE",
    "PGL",
    "SOIL",
    "VBPR",
    "DualGNN",
    "EmbeddingRecommender",
    "ItemKNN",
    "LGMRec",
    "LayerGCN",
    "LightGCN",
    "Popularity",
    "Recommender",
    "SLMRec",
    "SimGCL",
    "XSimGCL",
]
