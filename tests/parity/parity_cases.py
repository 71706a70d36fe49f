"""How each model is made from its golden file, and what its published parameters are called."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from soil_pyg.models import (
    BM3,
    BPR,
    FREEDOM,
    LATTICE,
    MGCN,
    SOIL,
    VBPR,
    LGMRec,
    LightGCN,
    Recommender,
    SLMRec,
)


class Case(NamedTuple):
    model: type[Recommender]
    """The class of the model."""
    options: dict[str, str]
    """The published hyper-parameter of each option of the model."""
    parameters: dict[str, str]
    """The published parameter of each parameter of the model."""
    graphs: dict[str, str] = {}  # noqa: RUF012
    """The published hyper-parameter of each option of the graphs."""
    fixed: dict[str, Any] = {}  # noqa: RUF012
    """Further options of the model."""
    fixed_graphs: dict[str, Any] = {}  # noqa: RUF012
    """Further options of the graphs."""
    features: str | None = None
    """The golden file with the features, unless it is that of the model."""
    modalities: tuple[str, ...] = ("image", "text")
    """The order of the modalities."""
    scores: Callable[[Tensor], Tensor] = torch.clone
    """The published scores as a function of ours."""


def embeddings(user: str = "user_embedding.weight", item: str = "") -> dict[str, str]:
    names = {"user_embedding.weight": user}
    return names | {"item_embedding.weight": item or "item_id_embedding.weight"}


def linear(names: dict[str, str]) -> dict[str, str]:
    """Returns the names of weights and biases for those of linear maps."""
    pairs = [(part, ours, theirs) for ours, theirs in names.items() for part in ("weight", "bias")]
    return {f"{ours}.{part}": f"{theirs}.{part}" for part, ours, theirs in pairs}


TRAINED_FEATURES = {
    f"features.{modality}.offset.weight": f"{modality}_embedding.weight"
    for modality in ("image", "text")
}
DIMENSION = {"hidden_channels": "embedding_size", "reg": "reg_weight"}

CASES = {
    "bm3": Case(
        BM3,
        {**DIMENSION, "num_layers": "n_layers", "dropout": "dropout", "cl_weight": "cl_weight"},
        embeddings()
        | TRAINED_FEATURES
        | linear({"project.image": "image_trs", "project.text": "text_trs"})
        | linear({"predictor": "predictor"}),
    ),
    "bpr": Case(BPR, DIMENSION, embeddings(item="item_embedding.weight")),
    "freedom": Case(
        FREEDOM,
        {
            **DIMENSION,
            "num_layers": "n_ui_layers",
            "num_item_layers": "n_mm_layers",
            "dropout": "dropout",
        },
        embeddings()
        | TRAINED_FEATURES
        | linear({"projections.image": "image_trs", "projections.text": "text_trs"}),
        {"k": "knn_k", "first_weight": "mm_image_weight"},
    ),
    "lattice": Case(
        LATTICE,
        {
            **DIMENSION,
            "feature_channels": "feat_embed_dim",
            "num_layers": "n_ui_layers",
            "num_item_layers": "n_layers",
            "original_weight": "lambda_coeff",
            "k": "knn_k",
        },
        embeddings()
        | TRAINED_FEATURES
        | linear({"projections.image": "image_trs", "projections.text": "text_trs"})
        | {"modality_weight": "modal_weight"},
        {"k": "knn_k"},
        {"negative": "keep"},
        {"negative": "keep"},
    ),
    "lgmrec": Case(
        LGMRec,
        {
            **DIMENSION,
            "num_layers": "n_ui_layers",
            "num_modality_layers": "n_mm_layers",
            "num_hyper_layers": "n_hyper_layer",
            "num_hyperedges": "hyper_num",
            "keep_rate": "keep_rate",
            "alpha": "alpha",
            "cl_weight": "cl_weight",
        },
        {
            **embeddings(),
            "projections.image_weight": "item_image_trs",
            "projections.text_weight": "item_text_trs",
            "hyperedges.image_weight": "v_hyper",
            "hyperedges.text_weight": "t_hyper",
        },
        fixed={"noise": False},
    ),
    "lightgcn": Case(
        LightGCN,
        {**DIMENSION, "num_layers": "n_layers"},
        embeddings("embedding_dict.user_emb", "embedding_dict.item_emb"),
    ),
    "mgcn": Case(
        MGCN,
        {
            **DIMENSION,
            "num_layers": "n_ui_layers",
            "num_item_layers": "n_layers",
            "cl_weight": "cl_loss",
        },
        embeddings()
        | TRAINED_FEATURES
        | linear(
            {
                "gates.image.project": "image_trs",
                "gates.image.gate": "gate_v.0",
                "gates.text.project": "text_trs",
                "gates.text.gate": "gate_t.0",
                "preferences.image": "gate_image_prefer.0",
                "preferences.text": "gate_text_prefer.0",
                "project": "query_common.0",
            }
        )
        | {"query.weight": "query_common.2.weight"},
        {"k": "knn_k"},
        fixed_graphs={"negative": "keep"},
    ),
    "slmrec": Case(
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
    ),
    "soil": Case(
        SOIL,
        {
            "hidden_channels": "embedding_size",
            "num_layers": "n_ui_layers",
            "num_item_layers": "n_layers",
            "l_ii": "cl_loss",
            "l_ui": "cl_loss2",
        },
        embeddings()
        | linear(
            {
                "gates.image.project": "image_trs",
                "gates.image.gate": "map_v.0",
                "gates.text.project": "text_trs",
                "gates.text.gate": "map_t.0",
                "fusion.project": "attention.0",
            }
        )
        | {"fusion.query.weight": "attention.2.weight"},
        {"k": "knn_k", "k_i": "knn_i", "k_a": "knn_a"},
        SOIL.profile_options("released", SOIL),
        {"profile": "released", "negative": "keep"},
    ),
    "vbpr": Case(
        VBPR,
        DIMENSION,
        embeddings("u_embedding", "i_embedding") | linear({"project": "item_linear"}),
        features="soil",
        modalities=("text", "image"),
    ),
}
