from parity_case import DIMENSION, Case, embeddings, linear
from soil_pyg.models import VBPR

CASE = Case(
    VBPR,
    DIMENSION,
    embeddings("u_embedding", "i_embedding") | linear({"project": "item_linear"}),
    features="soil",
    modalities=("text", "image"),
)
