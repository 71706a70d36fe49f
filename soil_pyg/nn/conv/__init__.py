"""Convolutions with the signatures of PyG."""

from soil_pyg.nn.conv.bipartite_conv import BipartiteConv
from soil_pyg.nn.conv.light_conv import LightConv
from soil_pyg.nn.conv.mmgcn_conv import MMGCNConv

__all__ = ["BipartiteConv", "LightConv", "MMGCNConv"]
