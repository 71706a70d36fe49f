from typing import Any

from soil_pyg.models import VBPR

FEATURES = "soil"
MODALITIES = ("text", "image")
PARAMETERS = {
    "user_embedding.weight": "u_embedding",
    "item_embedding.weight": "i_embedding",
    "project.weight": "item_linear.weight",
    "project.bias": "item_linear.bias",
}


def make(options: dict[str, Any], sizes: dict[str, Any]) -> tuple[VBPR, dict[str, Any]]:
    return VBPR(**sizes, hidden_channels=options["embedding_size"], reg=options["reg_weight"]), {}
