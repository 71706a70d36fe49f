from parity_case import DIMENSION, Case, embeddings
from soil_pyg.models import LightGCN

CASE = Case(
    LightGCN,
    {**DIMENSION, "num_layers": "n_layers"},
    embeddings("embedding_dict.user_emb", "embedding_dict.item_emb"),
)
