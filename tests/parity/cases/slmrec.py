import torch

from parity_case import Case, embeddings, linear
from soil_pyg.models import SLMRec

CASE = Case(
    SLMRec,
    {
        "hidden_channels": "recdim",
        "num_layers": "layer_num",
        "tau": "temp",
        "alpha": "ssl_alpha",
        "ssl_tau": "ssl_temp",
    },
    embeddings("embedding_user.weight", "embedding_item.weight")
    | linear(
        {
            "projections.image": "v_dense",
            "projections.text": "t_dense",
            "user_fusion": "embedding_user_after_GCN",
            "item_fusion": "embedding_item_after_GCN",
            "chain.0": "g_i_iv",
            "chain.1": "g_iv_iva",
            "chain.2": "g_iva_ivat",
            "heads.image": "g_v_iv",
            "heads.text": "g_t_ivat",
        }
    ),
    features="soil",
    scores=torch.sigmoid,
)
