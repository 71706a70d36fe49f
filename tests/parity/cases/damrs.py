from parity_case import Case, embeddings
from soil_pyg.models import DAMRS

CASE = Case(
    DAMRS,
    {
        "hidden_channels": "embedding_size",
        "num_layers": "n_ui_layers",
        "num_item_layers": "n_mm_layers",
        "kl_weight": "kl_weight",
        "neighbour_weight": "neighbor_weight",
    },
    embeddings(),
    {"k": "knn_k", "item_graph_k": "item_graph_k"},
)
