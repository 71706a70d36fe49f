from typing import Any

from soil_pyg.models import LightGCN

PARAMETERS = {
    "user_embedding.weight": "embedding_dict.user_emb",
    "item_embedding.weight": "embedding_dict.item_emb",
}


def make(options: dict[str, Any], sizes: dict[str, Any]) -> tuple[LightGCN, dict[str, Any]]:
    model = LightGCN(
        **sizes,
        hidden_channels=options["embedding_size"],
        num_layers=options["n_layers"],
        reg=options["reg_weight"],
    )
    return model, {}
