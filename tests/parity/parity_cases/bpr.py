from typing import Any

from soil_pyg.models import BPR

PARAMETERS = {
    "user_embedding.weight": "user_embedding.weight",
    "item_embedding.weight": "item_embedding.weight",
}


def make(options: dict[str, Any], sizes: dict[str, Any]) -> tuple[BPR, dict[str, Any]]:
    return BPR(**sizes, hidden_channels=options["embedding_size"], reg=options["reg_weight"]), {}
