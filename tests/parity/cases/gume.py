from parity_case import TRAINED_FEATURES, Case, embeddings, linear
from soil_pyg.models import GUME

CASE = Case(
    GUME,
    {
        "hidden_channels": "embedding_size",
        "num_layers": "n_ui_layers",
        "num_item_layers": "n_layers",
        "reg": "reg_weight_1",
        "extended_reg": "reg_weight_2",
        "align_weight": "vt_loss",
        "bm_weight": "bm_loss",
        "bm_tau": "bm_temp",
        "um_weight": "um_loss",
        "um_tau": "um_temp",
        "noise": "noise",
    },
    embeddings()
    | TRAINED_FEATURES
    | linear(
        {
            "gates.image.project": "image_reduce_dim",
            "gates.image.gate": "image_trans_dim.0",
            "gates.text.project": "text_reduce_dim",
            "gates.text.gate": "text_trans_dim.0",
            "preferences.image": "image_behavior.0",
            "preferences.text": "text_behavior.0",
            "project": "separate_coarse.0",
        }
    )
    | {
        "query.weight": "separate_coarse.2.weight",
        "interests.image.weight": "extended_image_user.weight",
        "interests.text.weight": "extended_text_user.weight",
    },
    {"k": "knn_k"},
    fixed_graphs={"negative": "keep"},
)
