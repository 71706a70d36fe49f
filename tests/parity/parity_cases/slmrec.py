from typing import Any

import torch

from soil_pyg.models import SLMRec

FEATURES = "soil"
PARAMETERS = {
    "user_embedding.weight": "embedding_user.weight",
    "item_embedding.weight": "embedding_item.weight",
    "projections.image.weight": "v_dense.weight",
    "projections.image.bias": "v_dense.bias",
    "projections.text.weight": "t_dense.weight",
    "projections.text.bias": "t_dense.bias",
    "user_fusion.weight": "embedding_user_after_GCN.weight",
    "user_fusion.bias": "embedding_user_after_GCN.bias",
    "item_fusion.weight": "embedding_item_after_GCN.weight",
    "item_fusion.bias": "embedding_item_after_GCN.bias",
    "chain.0.weight": "g_i_iv.weight",
    "chain.0.bias": "g_i_iv.bias",
    "chain.1.weight": "g_iv_iva.weight",
    "chain.1.bias": "g_iv_iva.bias",
    "chain.2.weight": "g_iva_ivat.weight",
    "chain.2.bias": "g_iva_ivat.bias",
    "heads.image.weight": "g_v_iv.weight",
    "heads.image.bias": "g_v_iv.bias",
    "heads.text.weight": "g_t_ivat.weight",
    "heads.text.bias": "g_t_ivat.bias",
}

scores = torch.sigmoid


def make(options: dict[str, Any], sizes: dict[str, Any]) -> tuple[SLMRec, dict[str, Any]]:
    model = SLMRec(
        **sizes,
        hidden_channels=options["recdim"],
        num_layers=options["layer_num"],
        tau=options["temp"],
        alpha=options["ssl_alpha"],
        ssl_tau=options["ssl_temp"],
    )
    return model, {}
