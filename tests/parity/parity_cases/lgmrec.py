from typing import Any

from soil_pyg.models import LGMRec

PARAMETERS = {
    "user_embedding.weight": "user_embedding.weight",
    "item_embedding.weight": "item_id_embedding.weight",
    "projections.image_weight": "item_image_trs",
    "projections.text_weight": "item_text_trs",
    "hyperedges.image_weight": "v_hyper",
    "hyperedges.text_weight": "t_hyper",
}


def make(options: dict[str, Any], sizes: dict[str, Any]) -> tuple[LGMRec, dict[str, Any]]:
    model = LGMRec(
        **sizes,
        hidden_channels=options["embedding_size"],
        num_layers=options["n_ui_layers"],
        num_modality_layers=options["n_mm_layers"],
        num_hyper_layers=options["n_hyper_layer"],
        num_hyperedges=options["hyper_num"],
        keep_rate=options["keep_rate"],
        alpha=options["alpha"],
        cl_weight=options["cl_weight"],
        reg=options["reg_weight"],
        noise=False,
    )
    return model, {}
