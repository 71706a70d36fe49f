"""The cases with which models are checked against their contract, each in its own tests."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from soil_pyg import models
from soil_pyg.testing import MODEL_RULES, check_model

MODALITIES = {"image": 5, "text": 3, "audio": 4}
OF_ANY_MODALITIES = (
    "forward_returns_two_tables",
    "loss_returns_finite_terms",
    "gradients_reach_each_parameter",
    "options_and_weights_make_the_model_again",
)


class Case(NamedTuple):
    model: str
    options: dict[str, Any]
    graphs: dict[str, Any]


CASES = {
    "bm3": Case("BM3", {"hidden_channels": 6}, {}),
    "bpr": Case("BPR", {"hidden_channels": 6}, {}),
    "damrs": Case("DAMRS", {"hidden_channels": 6, "num_neighbours": 2}, {"k": 3}),
    "cohesion": Case("COHESION", {"hidden_channels": 6}, {"k": 3, "user_k": 3}),
    "dragon": Case("DRAGON", {"hidden_channels": 6}, {"k": 3, "user_k": 3}),
    "dualgnn": Case("DualGNN", {"hidden_channels": 6}, {"user_k": 3}),
    "freedom": Case("FREEDOM", {"hidden_channels": 6}, {"k": 3}),
    "grcn": Case("GRCN", {"hidden_channels": 6, "latent_channels": 5}, {}),
    "gume": Case("GUME", {"hidden_channels": 6}, {"k": 3}),
    "item_knn": Case("ItemKNN", {}, {"k": 3}),
    "lattice": Case("LATTICE", {"hidden_channels": 6, "feature_channels": 5, "k": 3}, {"k": 3}),
    "layergcn": Case("LayerGCN", {"hidden_channels": 6}, {}),
    "lgmrec": Case("LGMRec", {"hidden_channels": 6, "num_hyperedges": 3}, {}),
    "lightgcn": Case("LightGCN", {"hidden_channels": 6}, {}),
    "mentor": Case("MENTOR", {"hidden_channels": 6}, {"k": 3}),
    "mgcn": Case("MGCN", {"hidden_channels": 6}, {"k": 3}),
    "mmgf": Case("MMGF", {}, {"k": 3, "k_modality": 2}),
    "mmgcn": Case("MMGCN", {"hidden_channels": 6, "latent_channels": 5}, {}),
    "ngcf": Case("NGCF", {"hidden_channels": 6}, {}),
    "pgl": Case("PGL", {"hidden_channels": 6}, {"k": 3}),
    "pgl_global": Case(
        "PGL", {"hidden_channels": 6, "mode": "global"}, {"k": 3, "mode": "global", "rank": 8}
    ),
    "popularity": Case("Popularity", {}, {}),
    **{
        f"sgl_{augmentation}": Case(
            "SGL", {"hidden_channels": 6, "augmentation": augmentation, "dropout": 0.4}, {}
        )
        for augmentation in ("edge_dropout", "node_dropout", "random_walk")
    },
    "simgcl": Case("SimGCL", {"hidden_channels": 6}, {}),
    "slmrec": Case("SLMRec", {"hidden_channels": 6}, {}),
    "smore": Case("SMORE", {"hidden_channels": 6, "dropout": 0.3}, {"k": 3}),
    "soil_paper": Case("SOIL", {"hidden_channels": 6}, {"k": 3, "k_i": 2}),
    "soil_released": Case(
        "SOIL",
        {"hidden_channels": 6, **models.SOIL.profile_options("released", models.SOIL)},
        {"k": 3, "k_i": 2, "profile": "released"},
    ),
    "vbpr": Case("VBPR", {"hidden_channels": 6}, {}),
    "xsimgcl": Case("XSimGCL", {"hidden_channels": 6}, {}),
}
UNUSED = {
    "LATTICE": {1: {"modality_weight"}},
    "GUME": {
        1: {"project.weight", "project.bias", "query.weight"}
        | {"preferences.image.weight", "preferences.image.bias"}
    },
    "MGCN": {
        1: {"project.weight", "project.bias", "query.weight"}
        | {"preferences.image.weight", "preferences.image.bias"}
    },
    "SOIL": {1: {"fusion.project.weight", "fusion.project.bias", "fusion.query.weight"}},
}
"""Parameters without a gradient, by the number of modalities: one view needs no attention."""
DETACHED = {"BM3", "COHESION", "DAMRS"}
"""Models whose loss stops gradients, so that its slope is not its gradient."""


def keeps_contract(*names: str) -> Callable[..., None]:
    """Returns the test of some cases: they keep the contract of models."""

    @pytest.mark.parametrize(
        ("rule", "num_modalities"),
        [*((rule, 2) for rule in MODEL_RULES)]
        + [(rule, size) for rule in OF_ANY_MODALITIES for size in (1, 3)],
    )
    @pytest.mark.parametrize("name", names)
    def test(name: str, rule: str, num_modalities: int) -> None:
        kind, options, graphs = CASES[name]
        check_model(
            getattr(models, kind),
            options,
            graphs,
            in_channels=dict(list(MODALITIES.items())[:num_modalities]),
            rules=[rule],
            skip=["gradients_are_those_of_the_loss"] if kind in DETACHED else [],
            unused=UNUSED.get(kind, {}).get(num_modalities, set()),
        )

    return test
