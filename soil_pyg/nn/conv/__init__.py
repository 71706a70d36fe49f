"""Convolutions with the signatures of PyG."""

from soil_pyg.nn.conv.bipartite_conv import BipartiteConv
from soil_pyg.nn.conv.light_conv import LightConv

__all__ = ["BipartiteConv", "LightConv"]
