from typing import Any

from soil_pyg.models import SOIL

PARAMETERS = {
    "user_embedding.weight": "user_embedding.weight",
    "item_embedding.weight": "item_id_embedding.weight",
    "gates.image.project.weight": "image_trs.weight",
    "gates.image.project.bias": "image_trs.bias",
    "gates.image.gate.weight": "map_v.0.weight",
    "gates.image.gate.bias": "map_v.0.bias",
    "gates.text.project.weight": "text_trs.weight",
    "gates.text.project.bias": "text_trs.bias",
    "gates.text.gate.weight": "map_t.0.weight",
    "gates.text.gate.bias": "map_t.0.bias",
    "fusion.project.weight": "attention.0.weight",
    "fusion.project.bias": "attention.0.bias",
    "fusion.query.weight": "attention.2.weight",
}


def make(options: dict[str, Any], sizes: dict[str, Any]) -> tuple[SOIL, dict[str, Any]]:
    model = SOIL.released(
        **sizes,
        hidden_channels=options["embedding_size"],
        num_layers=options["n_ui_layers"],
        num_item_layers=options["n_layers"],
        l_ii=options["cl_loss"],
        l_ui=options["cl_loss2"],
    )
    graphs = {
        "profile": "released",
        "negative": "keep",
        "k": options["knn_k"],
        "k_i": options["knn_i"],
        "k_a": options["knn_a"],
    }
    return model, graphs
