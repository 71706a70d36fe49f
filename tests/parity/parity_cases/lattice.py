from typing import Any

from soil_pyg.models import LATTICE

PARAMETERS = {
    "user_embedding.weight": "user_embedding.weight",
    "item_embedding.weight": "item_id_embedding.weight",
    "features.image.offset.weight": "image_embedding.weight",
    "features.text.offset.weight": "text_embedding.weight",
    "projections.image.weight": "image_trs.weight",
    "projections.image.bias": "image_trs.bias",
    "projections.text.weight": "text_trs.weight",
    "projections.text.bias": "text_trs.bias",
    "modality_weight": "modal_weight",
}


def make(options: dict[str, Any], sizes: dict[str, Any]) -> tuple[LATTICE, dict[str, Any]]:
    graphs = {"k": options["knn_k"], "negative": "keep"}
    model = LATTICE(
        **sizes,
        **graphs,
        hidden_channels=options["embedding_size"],
        feature_channels=options["feat_embed_dim"],
        num_layers=options["n_ui_layers"],
        num_item_layers=options["n_layers"],
        original_weight=options["lambda_coeff"],
        reg=options["reg_weight"],
    )
    return model, graphs
