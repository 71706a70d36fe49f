"""What every model of the package has to do, whatever it computes."""

import copy
import inspect
import math
import re
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from soil_pyg import models
from soil_pyg.models import Recommender
from soil_pyg.models.newcomers import nearest_known
from soil_pyg.training.partition_loader import PartitionLoader
from soil_pyg.training.trainer import Trainer
from soil_pyg.training.training_loss import TrainingLoss
from soil_pyg.typing import FEATURE_PREFIX, INTERACTS, ITEM, Triplets

NUM_USERS, NUM_ITEMS = 9, 7
SIZES = {"image": 5, "text": 3, "audio": 4}
BATCH = Triplets(torch.tensor([4, 0, 4, 8]), torch.tensor([1, 6, 1, 2]), torch.tensor([3, 3, 0, 5]))


class Case(NamedTuple):
    model: str
    options: dict[str, Any]
    graphs: dict[str, Any]

    @property
    def kind(self) -> type[Recommender]:
        return getattr(models, self.model)


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
    # What the batches of a step share is drawn once for all.
    "mentor": Case("MENTOR", {"hidden_channels": 6, "dropout": 0.0, "noise": 0.0}, {"k": 3}),
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
NOISY_TABLES = {"NGCF", "SimGCL", "XSimGCL"}
"""Models whose loss tables are drawn at random, once per step."""
OF_NO_PAPER = {"Popularity"}
"""Models that have no source to link to."""

EVERY = pytest.mark.parametrize("name", list(CASES))
ANY_MODALITIES = pytest.mark.parametrize("num_modalities", [1, 2, 3])


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


def in_channels(num_modalities: int) -> dict[str, int]:
    return dict(list(SIZES.items())[:num_modalities])


def make_data(name: str, num_modalities: int = 2) -> HeteroData:
    generator = torch.Generator().manual_seed(0)
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in in_channels(num_modalities).items():
        x = torch.randn(NUM_ITEMS, size, generator=generator)
        x[3] = 0
        data["item"][FEATURE_PREFIX + modality] = x
    interactions = torch.rand(NUM_USERS, NUM_ITEMS, generator=generator) < 0.3
    interactions[torch.arange(NUM_USERS), torch.arange(NUM_USERS) % (NUM_ITEMS - 1)] = True
    interactions[:, NUM_ITEMS - 1] = False
    data[INTERACTS].edge_index = interactions.nonzero().t().contiguous()
    return CASES[name].kind.graph_transform(**CASES[name].graphs)(data)


def make_model(name: str, num_modalities: int = 2, seed: int = 0) -> Recommender:
    torch.manual_seed(seed)
    sizes = NUM_USERS, NUM_ITEMS, in_channels(num_modalities)
    return CASES[name].kind(*sizes, **CASES[name].options)


@torch.no_grad()
def scores_of(model: Recommender, data: HeteroData) -> Tensor:
    user_emb, item_emb = (x.to_dense() for x in model(data))
    return user_emb @ item_emb.t()


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


@EVERY
@ANY_MODALITIES
def test_embeddings(name: str, num_modalities: int) -> None:
    data, model = make_data(name, num_modalities), make_model(name, num_modalities)
    user_emb, item_emb = model(data)
    assert user_emb.size(0) == NUM_USERS
    assert item_emb.size(0) == NUM_ITEMS
    assert user_emb.size(1) == item_emb.size(1)
    assert user_emb.dtype == item_emb.dtype == torch.float32
    scores = scores_of(model, data)
    assert scores.isfinite().all()
    assert scores.unique().numel() > 1
    assert scores_of(model.eval(), data).equal(scores)


@EVERY
@ANY_MODALITIES
def test_loss_terms_and_gradients(name: str, num_modalities: int) -> None:
    data, model = make_data(name, num_modalities), make_model(name, num_modalities)
    unused = UNUSED.get(CASES[name].model, {}).get(num_modalities, set())
    for _ in range(2):
        model.zero_grad()
        model.on_epoch_start(data)
        terms = model.loss(data, BATCH)
        for term in terms.values():
            assert term.size() == ()
            assert term.isfinite()
        assert (len(terms) == 0) == (len(list(model.parameters())) == 0)
        if terms:
            sum(terms.values()).backward()
        reached = set()
        for key, parameter in model.named_parameters():
            if parameter.grad is not None:
                assert parameter.grad.isfinite().all()
                assert parameter.grad.ne(0).any(), key
                reached.add(key)
        assert reached == {key for key, _ in model.named_parameters()} - unused


@EVERY
def test_each_term_depends_on_the_parameters(name: str) -> None:
    data, model = make_data(name), make_model(name)
    model.on_epoch_start(data)
    for term in model.loss(data, BATCH).values():
        grads = torch.autograd.grad(
            term, list(model.parameters()), retain_graph=True, allow_unused=True
        )
        assert any(grad is not None and grad.ne(0).any() for grad in grads)


@EVERY
def test_gradients_are_those_of_the_loss(name: str) -> None:
    if CASES[name].model in DETACHED:
        pytest.skip("its loss holds embeddings fixed on purpose")
    data, model = in_double(make_data(name)), make_model(name).double().eval()

    def loss() -> Tensor:
        model.on_epoch_start(data)
        return sum(model.loss(data, BATCH).values())

    step = 1e-6
    for parameter in model.parameters():
        (grad,) = torch.autograd.grad(loss(), parameter)
        entry = int(grad.abs().argmax())
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.view(-1)[entry] += sign * step
                losses.append(loss().item())
                parameter.view(-1)[entry] -= sign * step
        slope = (losses[0] - losses[1]) / (2 * step)
        assert slope == pytest.approx(grad.flatten()[entry].item(), rel=1e-4, abs=1e-7)


def is_constant(parameter: Tensor) -> bool:
    """Returns whether a parameter starts with one value everywhere, as a bias of zero does."""
    return bool((parameter == parameter.view(-1)[0]).all())


@EVERY
def test_the_seed_tells_the_parameters(name: str) -> None:
    model, same, other = (make_model(name, seed=seed) for seed in (0, 0, 1))
    pairs = list(zip(model.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(a.equal(b) for a, b, _ in pairs)
    assert all(not a.equal(c) or is_constant(a) for a, _, c in pairs)
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    for seed in (2, 3, 2):
        torch.manual_seed(seed)
        model.reset_parameters()
        other.reset_parameters()
    for key, value in model.state_dict().items():
        assert is_constant(value) or not value.equal(kept[key]), key
    torch.manual_seed(2)
    same.reset_parameters()
    assert all(a.equal(b) for a, b in zip(model.parameters(), same.parameters(), strict=False))


@EVERY
@ANY_MODALITIES
def test_options_and_weights_make_the_model_again(name: str, num_modalities: int) -> None:
    data, model = make_data(name, num_modalities), make_model(name, num_modalities)
    given = {"num_users": NUM_USERS, "num_items": NUM_ITEMS, **CASES[name].options}
    given["in_channels"] = in_channels(num_modalities)
    assert {key: model.options[key] for key in given} == given
    torch.manual_seed(1)
    again = type(model)(**model.options)
    assert again.options == model.options
    again.load_state_dict(model.state_dict(), strict=True)
    assert str(again) == str(model)
    assert scores_of(again, data).equal(scores_of(model, data))


@EVERY
def test_repr(name: str) -> None:
    assert str(make_model(name)).startswith(f"{CASES[name].model}(")


@EVERY
def test_moving(name: str) -> None:
    data, model = make_data(name), make_model(name)
    scores = scores_of(model, data)
    assert scores_of(model.to("cpu"), data.to("cpu")).equal(scores)
    double = scores_of(model.to(torch.float64), in_double(data))
    torch.testing.assert_close(double.float(), scores, rtol=1e-4, atol=1e-6)
    if list(model.parameters()):
        assert double.dtype == torch.float64


def in_double(data: HeteroData) -> HeteroData:
    item = data["item"]
    for modality in SIZES:
        if FEATURE_PREFIX + modality in item:
            item[FEATURE_PREFIX + modality] = item[FEATURE_PREFIX + modality].double()
    return data


@EVERY
def test_held_out_interactions_do_not_matter(name: str) -> None:
    case, data = CASES[name], make_data(name)
    data[INTERACTS].val_edge_label_index = torch.tensor([[0, 1], [6, 6]])
    data[INTERACTS].test_edge_label_index = torch.tensor([[2, 3], [6, 6]])
    again = case.kind.graph_transform(**case.graphs)(data)
    model = make_model(name)
    assert scores_of(model, again).equal(scores_of(model, make_data(name)))


@EVERY
def test_graphs(name: str) -> None:
    kind = CASES[name].kind
    assert isinstance(kind.graph_transform(), BaseTransform)
    defaults = {key: p.default for key, p in kind.graph_transform_parameters().items()}
    assert str(kind.graph_transform(**defaults)) == str(kind.graph_transform())


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


@EVERY
@pytest.mark.parametrize("size", [0, -1])
def test_sizes_below_one(name: str, size: int) -> None:
    for option in ("num_users", "num_items"):
        sizes = {"num_users": 2, "num_items": 3, "in_channels": SIZES, option: size}
        with pytest.raises(ValueError, match=rf"'{option}'.*\(got {size}\)"):
            CASES[name].kind(**sizes)


@EVERY
def test_multimodal_models_need_a_modality(name: str) -> None:
    for in_channels in (None, {}):
        if CASES[name].kind.multimodal:
            with pytest.raises(ValueError, match=r"'in_channels'.*\(got none\)"):
                CASES[name].kind(2, 3, in_channels)
        else:
            assert CASES[name].kind(2, 3, in_channels).in_channels == {}


@EVERY
def test_data_without_a_graph_or_a_modality(name: str) -> None:
    data, model = make_data(name), make_model(name)
    for edge_type, store in list(data.edge_items()):
        if "adjacency" not in store:
            continue
        lacking = copy.copy(data)
        if edge_type == INTERACTS:
            del lacking[edge_type].adjacency
        else:
            del lacking[edge_type]
        match = f"{re.escape(str(edge_type))}.*'graph_transform"
        with pytest.raises(ValueError, match=match):
            embed_and_learn(model, lacking)
    if CASES[name].kind.multimodal:
        del data[ITEM][FEATURE_PREFIX + "text"]
        with pytest.raises(ValueError, match=r"'in_channels'.*'text'.*\['image'\]"):
            embed_and_learn(model, data)


def embed_and_learn(model: Recommender, data: HeteroData) -> None:
    model(data)
    model.loss(data, BATCH)


@EVERY
def test_an_epoch_on_parts(name: str) -> None:
    data, model = make_data(name), make_model(name)
    data[INTERACTS].val_edge_label_index = torch.tensor([[0, 1], [6, 6]])
    data[INTERACTS].test_edge_label_index = torch.tensor([[2, 3], [6, 6]])
    before = [parameter.clone() for parameter in model.parameters()]
    trainer = Trainer(num_partitions=2, epochs=1, batch_size=4, accelerator="cpu", progress=False)
    result = trainer.fit(model, data)
    assert all(math.isfinite(value) for value in result.test.values())
    if before:
        (epoch,) = result.history
        assert list(epoch["loss"]) == list(model.loss(data, BATCH))
        assert all(math.isfinite(value) for value in epoch["loss"].values())
        after = list(model.parameters())
        assert any(not old.equal(new) for old, new in zip(before, after, strict=True))


@EVERY
@pytest.mark.parametrize("training", [True, False])
def test_gradients_of_a_group_of_batches(name: str, training: bool) -> None:
    """The oracle is the mean of the gradients of batches with a propagation each."""
    data, model = in_double(make_data(name)), make_model(name).double().train(training)
    if not list(model.parameters()):
        pytest.skip("it has no parameters")
    others = Triplets(*(torch.tensor(x) for x in ([0, 7, 7], [2, 1, 5], [6, 6, 4])))
    # The mean of four is exact.
    batches = [BATCH, others, Triplets(*(x[:1] for x in BATCH)), BATCH]
    expected = [torch.zeros_like(parameter) for parameter in model.parameters()]

    def start_epoch() -> None:
        torch.manual_seed(0)
        model.on_epoch_start(data)

    is_noisy = CASES[name].model in NOISY_TABLES
    for seed, batch in enumerate(batches):
        start_epoch()
        torch.manual_seed(0 if is_noisy else seed)
        terms = sum(model.loss(data, batch).values())
        grads = torch.autograd.grad(terms, list(model.parameters()), allow_unused=True)
        for total, grad in zip(expected, grads, strict=True):
            total += 0 if grad is None else grad / len(batches)
    start_epoch()
    group = [(data, batch) for batch in batches]
    fabric = Fabric(accelerator="cpu", devices=1)
    steps = TrainingLoss(model).backward(fabric, group, len(group))
    for seed in range(len(batches)):
        torch.manual_seed(seed)
        names, values = next(steps)
        assert len(names) == len(values)
    assert next(steps, None) is None
    for parameter, total in zip(model.parameters(), expected, strict=True):
        grad = torch.zeros_like(total) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(grad, total, rtol=1e-9, atol=1e-12)


@EVERY
def test_gradients_on_partitions(name: str) -> None:
    data, model = make_data(name), make_model(name)
    if not list(model.parameters()):
        pytest.skip("it has no parameters")
    loss = TrainingLoss(model, partitioned=True)
    model.on_epoch_start(data)
    for part, batch in PartitionLoader(data, num_partitions=2):
        sum(loss.terms(part, batch).values()).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.to_dense().isfinite().all(), key


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["lgmrec", "mgcn", "slmrec", "soil_paper", "soil_released"])
def test_a_step_on_a_gpu_waits_for_nothing(name: str) -> None:
    data, model = make_data(name).to("cuda"), make_model(name).cuda()
    batch = Triplets(*(part.cuda() for part in BATCH))
    sum(model.loss(data, batch).values()).backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        sum(model.loss(data, batch).values()).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@EVERY
def test_newcomers_get_embeddings_or_a_reason(name: str) -> None:
    data, model = make_data(name), make_model(name).eval()
    make_transform = partial(CASES[name].kind.graph_transform, **CASES[name].graphs)
    with torch.no_grad():
        item_emb = model(data)[1]
    features = {m: data[ITEM][FEATURE_PREFIX + m][:2] for m in in_channels(2)}
    of_items = features, nearest_known(data, features, k=3)
    of_users = torch.tensor([[0, 0, 1], [2, 5, 3]]), 2
    for hook, newcomers in [("embed_new_items", of_items), ("embed_new_users", of_users)]:
        embed = partial(getattr(model, hook), data, make_transform, item_emb, *newcomers)
        if item_emb.is_sparse:
            with pytest.raises(ValueError, match=f"{CASES[name].model}.*'{hook}'"):
                embed()
        else:
            assert embed().size() == (2, item_emb.size(1))
            assert embed().isfinite().all()


@EVERY
def test_scores_are_decomposed_or_a_reason_is_given(name: str) -> None:
    data, model = make_data(name), make_model(name).eval()
    make_transform = partial(CASES[name].kind.graph_transform, **CASES[name].graphs)
    if type(model).decompose is Recommender.decompose:
        with pytest.raises(ValueError, match=f"{CASES[name].model}.*'decompose'"):
            model.decompose(data, make_transform)
        return
    found = model.decompose(data, make_transform)
    for user, item in [(0, 1), (8, 6)]:
        user_parts = torch.cat([part.vector for part in found.of_user(user)])
        item_parts = torch.stack(list(found.of_item(item).values()))
        score = (user_parts @ item_parts.t()).sum()
        torch.testing.assert_close(score.float(), scores_of(model, data)[user, item])
