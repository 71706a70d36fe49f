from parity_case import Case, embeddings, linear
from soil_pyg.models import SOIL

CASE = Case(
    SOIL,
    {
        "hidden_channels": "embedding_size",
        "num_layers": "n_ui_layers",
        "num_item_layers": "n_layers",
        "l_ii": "cl_loss",
        "l_ui": "cl_loss2",
    },
    embeddings()
    | linear(
        {
            "gates.image.project": "image_trs",
            "gates.image.gate": "map_v.0",
            "gates.text.project": "text_trs",
            "gates.text.gate": "map_t.0",
            "fusion.project": "attention.0",
        }
    )
    | {"fusion.query.weight": "attention.2.weight"},
    {"k": "knn_k", "k_i": "knn_i", "k_a": "knn_a"},
    SOIL.profile_options("released", SOIL),
    {"profile": "released", "negative": "keep"},
)
