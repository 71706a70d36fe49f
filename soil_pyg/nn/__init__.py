"""Layers, losses and the search for neighbours: plain tensors in, plain tensors out."""

from soil_pyg.nn.attention_fusion import AttentionFusion
from soil_pyg.nn.conv import BipartiteConv, LightConv, MMGCNConv
from soil_pyg.nn.feature_projection import FeatureProjection
from soil_pyg.nn.info_nce_loss import InfoNCELoss
from soil_pyg.nn.learned_graph import LearnedGraph
from soil_pyg.nn.losses import AlignedPairsLoss, BPRLoss, embedding_loss
from soil_pyg.nn.modality_encoder import ModalityEncoder
from soil_pyg.nn.modality_gate import ModalityGate
from soil_pyg.nn.neighbour_attention import NeighbourAttention
from soil_pyg.nn.neighbour_loss import NeighbourLoss
from soil_pyg.nn.perturb import perturb
from soil_pyg.nn.propagation import LightPropagation, MeanPropagation
from soil_pyg.nn.refined_propagation import RefinedPropagation
from soil_pyg.nn.spectral_filter import SpectralFilter
from soil_pyg.nn.trained_features import TrainedFeatures
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.ops.knn import KNN
from soil_pyg.ops.sampled_adjacency import SampledAdjacency
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.ops.topk import topk_by_id

__all__ = [
    "KNN",
    "Adjacency",
    "AlignedPairsLoss",
    "AttentionFusion",
    "BPRLoss",
    "BipartiteConv",
    "FeatureProjection",
    "InfoNCELoss",
    "LearnedGraph",
    "LightConv",
    "LightPropagation",
    "MMGCNConv",
    "MeanPropagation",
    "ModalityEncoder",
    "ModalityGate",
    "NeighbourAttention",
    "NeighbourLoss",
    "RefinedPropagation",
    "SampledAdjacency",
    "SearchOptions",
    "SpectralFilter",
    "TrainedFeatures",
    "embedding_loss",
    "perturb",
    "topk_by_id",
]
