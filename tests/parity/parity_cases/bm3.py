from typing import Any

from soil_pyg.models import BM3

PARAMETERS = {
    "user_embedding.weight": "user_embedding.weight",
    "item_embedding.weight": "item_id_embedding.weight",
    "features.image.offset.weight": "image_embedding.weight",
    "features.text.offset.weight": "text_embedding.weight",
    "project.image.weight": "image_trs.weight",
    "project.image.bias": "image_trs.bias",
    "project.text.weight": "text_trs.weight",
    "project.text.bias": "text_trs.bias",
    "predictor.weight": "predictor.weight",
    "predictor.bias": "predictor.bias",
}


def make(options: dict[str, Any], sizes: dict[str, Any]) -> tuple[BM3, dict[str, Any]]:
    model = BM3(
        **sizes,
        hidden_channels=options["embedding_size"],
        num_layers=options["n_layers"],
        dropout=options["dropout"],
        cl_weight=options["cl_weight"],
        reg=options["reg_weight"],
    )
    return model, {}
