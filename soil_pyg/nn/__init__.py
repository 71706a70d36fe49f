"""Layers, losses and the search of neighbours: plain tensors in, plain tensors out."""

from soil_pyg.nn.adjacency import Adjacency
from soil_pyg.nn.aligned_pairs_loss import AlignedPairsLoss
from soil_pyg.nn.attention_fusion import AttentionFusion
from soil_pyg.nn.bpr_loss import BPRLoss
from soil_pyg.nn.conv import BipartiteConv, LightConv
from soil_pyg.nn.embedding_loss import embedding_loss
from soil_pyg.nn.feature_projection import FeatureProjection
from soil_pyg.nn.info_nce_loss import InfoNCELoss
from soil_pyg.nn.inverted_lists import InvertedLists
from soil_pyg.nn.knn import KNN
from soil_pyg.nn.learned_graph import LearnedGraph
from soil_pyg.nn.light_propagation import LightPropagation
from soil_pyg.nn.mean_propagation import MeanPropagation
from soil_pyg.nn.modality_gate import ModalityGate
from soil_pyg.nn.sampled_adjacency import SampledAdjacency
from soil_pyg.nn.topk import topk
from soil_pyg.nn.trained_features import TrainedFeatures

__all__ = [
    "KNN",
    "Adjacency",
    "AlignedPairsLoss",
    "AttentionFusion",
    "BPRLoss",
    "BipartiteConv",
    "FeatureProjection",
    "InfoNCELoss",
    "InvertedLists",
    "LearnedGraph",
    "LightConv",
    "LightPropagation",
    "MeanPropagation",
    "ModalityGate",
    "SampledAdjacency",
    "TrainedFeatures",
    "embedding_loss",
    "topk",
]
