from typing import Any

from soil_pyg.models import FREEDOM

PARAMETERS = {
    "user_embedding.weight": "user_embedding.weight",
    "item_embedding.weight": "item_id_embedding.weight",
    "features.image.offset.weight": "image_embedding.weight",
    "features.text.offset.weight": "text_embedding.weight",
    "projections.image.weight": "image_trs.weight",
    "projections.image.bias": "image_trs.bias",
    "projections.text.weight": "text_trs.weight",
    "projections.text.bias": "text_trs.bias",
}


def make(options: dict[str, Any], sizes: dict[str, Any]) -> tuple[FREEDOM, dict[str, Any]]:
    model = FREEDOM(
        **sizes,
        hidden_channels=options["embedding_size"],
        num_layers=options["n_ui_layers"],
        num_item_layers=options["n_mm_layers"],
        dropout=options["dropout"],
        reg=options["reg_weight"],
    )
    return model, {"k": options["knn_k"], "first_weight": options["mm_image_weight"]}
