"""What every model of the package has to do, whatever it computes."""

import inspect
import re
from typing import Any, NamedTuple

import pytest
import torch

from soil_pyg import models
from soil_pyg.models import Recommender
from soil_pyg.testing import MODEL_RULES, check_model, small_data
from soil_pyg.testing.model_case import BATCH, total_loss
from soil_pyg.typing import Triplets

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
OF_NO_PAPER = {"Popularity"}
"""Models that have no source to link to."""


def concrete(names: list[str]) -> dict[str, type[Recommender]]:
    """Returns the models among the names that can be made."""
    found = {name: getattr(models, name) for name in names}
    kinds = {n: kind for n, kind in found.items() if inspect.isclass(kind)}
    kinds = {n: kind for n, kind in kinds.items() if not inspect.isabstract(kind)}
    return {n: kind for n, kind in kinds.items() if issubclass(kind, Recommender)}


def uncovered(names: list[str]) -> list[str]:
    """Returns the models among the names that no case covers."""
    return sorted(set(concrete(names)) - {case.model for case in CASES.values()})


def without_source(names: list[str]) -> list[str]:
    """Returns the models among the names whose docstrings do not link to their source."""
    summaries = {n: (kind.__doc__ or "").split("Args:")[0] for n, kind in concrete(names).items()}
    linked = {n for n, summary in summaries.items() if re.search(r"<https?://\S+>`_", summary)}
    return sorted(set(summaries) - linked - OF_NO_PAPER)


def test_every_model_is_covered() -> None:
    assert uncovered(models.__all__) == []


def test_a_model_that_is_missing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Newcomer(models.BPR):
        pass

    monkeypatch.setattr(models, "Newcomer", Newcomer, raising=False)
    assert uncovered([*models.__all__, "Newcomer"]) == ["Newcomer"]


def test_every_docstring_links_to_the_source() -> None:
    assert without_source(models.__all__) == []


@pytest.mark.parametrize(
    ("docstring", "is_linked"),
    [
        (None, False),
        ("Ranks items.", False),
        ("Ranks items.\n\nArgs:\n    k (int): See `here <https://example.org/k>`_.", False),
        ('Ranks items, from the `"Ranks"\n<https://example.org/ranks>`_ paper.', True),
    ],
)
def test_a_docstring_without_the_source_is_noticed(
    docstring: str | None, is_linked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    newcomer = type("Newcomer", (models.BPR,), {"__doc__": docstring})
    monkeypatch.setattr(models, "Newcomer", newcomer, raising=False)
    expected = [] if is_linked else ["Newcomer"]
    assert without_source([*models.__all__, "Newcomer"]) == expected


def check(name: str, rule: str, num_modalities: int = 2) -> None:
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


@pytest.mark.parametrize("rule", MODEL_RULES)
@pytest.mark.parametrize("name", list(CASES))
def test_models_keep_the_contract(name: str, rule: str) -> None:
    check(name, rule)


@pytest.mark.parametrize("num_modalities", [1, 3])
@pytest.mark.parametrize("rule", OF_ANY_MODALITIES)
@pytest.mark.parametrize("name", list(CASES))
def test_models_keep_the_contract_for_any_modalities(
    name: str, rule: str, num_modalities: int
) -> None:
    check(name, rule, num_modalities)


INVALID = {
    "BM3": [("num_layers", -1), ("dropout", 1), ("dropout", -0.1)],
    "BPR": [],
    "DAMRS": [
        *[("num_layers", -1), ("num_item_layers", -1), ("kl_weight", -1), ("tau", 0)],
        *[("neighbour_weight", -1), ("num_neighbours", 0)],
    ],
    "COHESION": [
        *[("num_layers", 0), ("num_item_layers", -1), ("dropout", 1.0)],
        *[("pad", "x"), ("id_gradient", "x")],
    ],
    "DRAGON": [("num_item_layers", -1), ("pad", "x")],
    "DualGNN": [("pad", "x"), ("user_sum", "x")],
    "FREEDOM": [("num_layers", -1), ("num_item_layers", -1), ("dropout", 1.0)],
    "GRCN": [("latent_channels", 0), ("num_routings", -1), ("routing", "x")],
    "GUME": [
        *[("num_layers", -1), ("num_item_layers", -1), ("bm_tau", 0), ("um_tau", 0)],
        *[("extended_reg", -1), ("align_weight", -1), ("um_weight", -1), ("noise", -1)],
    ],
    "LATTICE": [
        *[("feature_channels", 0), ("num_layers", -1), ("num_item_layers", -1)],
        *[("original_weight", 1.5), ("k", 0), ("negative", "x")],
    ],
    "LGMRec": [
        *[("num_layers", -1), ("num_modality_layers", -1), ("num_hyper_layers", 0)],
        *[("num_hyperedges", 0), ("keep_rate", 0), ("keep_rate", 1.5), ("tau", 0)],
    ],
    "LayerGCN": [("num_layers", 0), ("dropout", 1), ("prune", "x")],
    "LightGCN": [("num_layers", -1)],
    "MENTOR": [
        *[("num_item_layers", -1), ("dropout", 1.0), ("noise", -1), ("tau", 0)],
        *[("align_weight", -1), ("mask_weight_f", -1), ("mask_weight_g", -1)],
        ("mask_gradient", "x"),
    ],
    "MGCN": [("num_layers", -1), ("num_item_layers", -1), ("tau", 0)],
    "MMGCN": [("latent_channels", 0), ("num_layers", 0), ("preferences", "x")],
    "NGCF": [("num_layers", -1), ("dropout", 1.0), ("node_dropout", 1), ("bias", 0)],
    "SGL": [
        *[("num_layers", -1), ("augmentation", "x"), ("dropout", 1.0), ("cl_weight", -1)],
        ("tau", 0),
    ],
    "PGL": [
        *[("num_layers", -1), ("num_item_layers", -1), ("mode", "x"), ("keep", 0), ("keep", 1.5)],
        *[("dropout", 1), ("reg", -1), ("tau", 0)],
    ],
    "SLMRec": [("hidden_channels", 1), ("num_layers", -1), ("tau", 0), ("ssl_tau", 0)],
    "SMORE": [("num_layers", -1), ("num_item_layers", -1), ("dropout", 1), ("tau", 0)],
    "SOIL": [
        *[("num_layers", -1), ("num_item_layers", -1), ("tau", 0)],
        *[("contrast", "x"), ("bpr_reduction", "x")],
    ],
    "SimGCL": [("num_layers", 0), ("eps", -1), ("cl_weight", -0.1), ("tau", 0)],
    "VBPR": [],
    "XSimGCL": [("num_layers", 0), ("contrast_layer", 0), ("contrast_layer", 4), ("tau", 0)],
}
"""Values out of the range of an option, by model; all have 'hidden_channels'."""


@pytest.mark.parametrize(
    ("model", "option", "value"),
    [
        (model, option, value)
        for model, cases in INVALID.items()
        for option, value in [("hidden_channels", 0), *cases]
    ],
)
def test_options_out_of_range(model: str, option: str, value: object) -> None:
    match = rf"'{option}'.*\(got {re.escape(repr(value))}\)"
    with pytest.raises(ValueError, match=match):
        getattr(models, model)(2, 3, {"image": 4}, **{option: value})


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["lgmrec", "mgcn", "slmrec", "soil_paper", "soil_released"])
def test_a_step_on_a_gpu_waits_for_nothing(name: str) -> None:
    kind, options, graphs = CASES[name]
    model_class = getattr(models, kind)
    data = model_class.graph_transform(**graphs)(small_data()).to("cuda")
    model = model_class(9, 7, {"image": 5, "text": 3}, **options).cuda()
    batch = Triplets(*(part.cuda() for part in BATCH))
    total_loss(model, data, batch).backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        total_loss(model, data, batch).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
