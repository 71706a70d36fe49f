"""Encoders, which compute features from the texts and pictures of items."""

from soil_pyg.encoders.colour_histogram_encoder import ColourHistogramEncoder
from soil_pyg.encoders.parse_encoder import parse_encoder
from soil_pyg.encoders.picture_encoder import PictureEncoder
from soil_pyg.encoders.text_encoder import TextEncoder
from soil_pyg.encoders.tfidf_encoder import TfidfEncoder

__all__ = [
    "ColourHistogramEncoder",
    "PictureEncoder",
    "TextEncoder",
    "TfidfEncoder",
    "parse_encoder",
]
