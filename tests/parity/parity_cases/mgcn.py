from typing import Any

from soil_pyg.models import MGCN

PARAMETERS = {
    "user_embedding.weight": "user_embedding.weight",
    "item_embedding.weight": "item_id_embedding.weight",
    "features.image.offset.weight": "image_embedding.weight",
    "features.text.offset.weight": "text_embedding.weight",
    "gates.image.project.weight": "image_trs.weight",
    "gates.image.project.bias": "image_trs.bias",
    "gates.image.gate.weight": "gate_v.0.weight",
    "gates.image.gate.bias": "gate_v.0.bias",
    "gates.text.project.weight": "text_trs.weight",
    "gates.text.project.bias": "text_trs.bias",
    "gates.text.gate.weight": "gate_t.0.weight",
    "gates.text.gate.bias": "gate_t.0.bias",
    "preferences.image.weight": "gate_image_prefer.0.weight",
    "preferences.image.bias": "gate_image_prefer.0.bias",
    "preferences.text.weight": "gate_text_prefer.0.weight",
    "preferences.text.bias": "gate_text_prefer.0.bias",
    "project.weight": "query_common.0.weight",
    "project.bias": "query_common.0.bias",
    "query.weight": "query_common.2.weight",
}


def make(options: dict[str, Any], sizes: dict[str, Any]) -> tuple[MGCN, dict[str, Any]]:
    model = MGCN(
        **sizes,
        hidden_channels=options["embedding_size"],
        num_layers=options["n_ui_layers"],
        num_item_layers=options["n_layers"],
        reg=options["reg_weight"],
        cl_weight=options["cl_loss"],
    )
    return model, {"negative": "keep", "k": options["knn_k"]}
