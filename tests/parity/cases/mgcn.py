from parity_case import DIMENSION, TRAINED_FEATURES, Case, embeddings, linear
from soil_pyg.models import MGCN

CASE = Case(
    MGCN,
    {
        **DIMENSION,
        "num_layers": "n_ui_layers",
        "num_item_layers": "n_layers",
        "cl_weight": "cl_loss",
    },
    embeddings()
    | TRAINED_FEATURES
    | linear(
        {
            "gates.image.project": "image_trs",
            "gates.image.gate": "gate_v.0",
            "gates.text.project": "text_trs",
            "gates.text.gate": "gate_t.0",
            "preferences.image": "gate_image_prefer.0",
            "preferences.text": "gate_text_prefer.0",
            "project": "query_common.0",
        }
    )
    | {"query.weight": "query_common.2.weight"},
    {"k": "knn_k"},
    fixed_graphs={"negative": "keep"},
)
