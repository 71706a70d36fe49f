from parity_case import DIMENSION, TRAINED_FEATURES, Case, embeddings, linear
from soil_pyg.models import LATTICE

CASE = Case(
    LATTICE,
    {
        **DIMENSION,
        "feature_channels": "feat_embed_dim",
        "num_layers": "n_ui_layers",
        "num_item_layers": "n_layers",
        "original_weight": "lambda_coeff",
        "k": "knn_k",
    },
    embeddings()
    | TRAINED_FEATURES
    | linear({"projections.image": "image_trs", "projections.text": "text_trs"})
    | {"modality_weight": "modal_weight"},
    {"k": "knn_k"},
    {"negative": "keep"},
    {"negative": "keep"},
)
