from parity_case import DIMENSION, ITEM_GRAPH, TRAINED_FEATURES, Case, embeddings, linear
from soil_pyg.models import FREEDOM

CASE = Case(
    FREEDOM,
    {
        **DIMENSION,
        "num_layers": "n_ui_layers",
        "num_item_layers": "n_mm_layers",
        "dropout": "dropout",
    },
    embeddings()
    | TRAINED_FEATURES
    | linear({"projections.image": "image_trs", "projections.text": "text_trs"}),
    ITEM_GRAPH,
)
