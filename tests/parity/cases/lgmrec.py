from parity_case import DIMENSION, Case, embeddings
from soil_pyg.models import LGMRec

CASE = Case(
    LGMRec,
    {
        **DIMENSION,
        "num_layers": "n_ui_layers",
        "num_modality_layers": "n_mm_layers",
        "num_hyper_layers": "n_hyper_layer",
        "num_hyperedges": "hyper_num",
        "keep_rate": "keep_rate",
        "alpha": "alpha",
        "cl_weight": "cl_weight",
    },
    {
        **embeddings(),
        "projections.image_weight": "item_image_trs",
        "projections.text_weight": "item_text_trs",
        "hyperedges.image_weight": "v_hyper",
        "hyperedges.text_weight": "t_hyper",
    },
    fixed={"noise": False},
)
