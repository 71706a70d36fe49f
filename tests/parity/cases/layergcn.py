from parity_case import DIMENSION, Case, embeddings
from soil_pyg.models import LayerGCN

CASE = Case(
    LayerGCN,
    {**DIMENSION, "num_layers": "n_layers", "dropout": "dropout"},
    embeddings("user_embeddings", "item_embeddings"),
    # Sums near 45, whose last digit in single precision is 4e-6.
    tolerance=2e-5,
)
