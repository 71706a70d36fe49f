import inspect
import math

import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import SOIL, base, view_recommender
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, SOILGraphs, item_item
from soil_pyg.typing import INTERACTS, Triplets

NUM_USERS, NUM_ITEMS, CHANNELS = 9, 8, 3
SIZES = {"image": 5, "text": 3, "audio": 4}
GRAPHS = {"k": 3, "k_i": 2, "k_a": 2}
BATCH = Triplets(torch.tensor([4, 0, 4, 8]), torch.tensor([1, 7, 1, 4]), torch.tensor([3, 2, 0, 5]))
Matrix = np.ndarray


def make_data(profile: str = "paper", sizes: dict[str, int] = SIZES) -> HeteroData:
    """Random data in double precision; item 5 has no modality, item 2 lacks the first."""
    rng = np.random.default_rng(0)
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in sizes.items():
        x = rng.standard_normal((NUM_ITEMS, size)) + 0.3
        x[[5, 2] if modality == next(iter(sizes)) else [5]] = 0
        data["item"][f"x_{modality}"] = torch.from_numpy(x)
    interactions = rng.random((NUM_USERS, NUM_ITEMS)) < 0.35
    interactions[np.arange(NUM_USERS), rng.integers(NUM_ITEMS, size=NUM_USERS)] = True
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    return SOIL.graph_transform(profile, **GRAPHS)(data)


def make_model(profile: str = "paper", sizes: dict[str, int] = SIZES, **options: object) -> SOIL:
    torch.manual_seed(0)
    options["hidden_channels"] = CHANNELS
    return SOIL.from_profile(profile, NUM_USERS, NUM_ITEMS, sizes, **options).double()


class Dense:
    """The model with dense matrices and loops; the graphs have tests of their own."""

    def __init__(self, model: SOIL, data: HeteroData) -> None:
        options = model.options
        weight = {name: p.detach().numpy() for name, p in model.named_parameters()}
        e = np.concatenate([weight["user_embedding.weight"], weight["item_embedding.weight"]])
        block = data[USER_ITEM].adjacency.to_dense().double().numpy()
        matrix = np.zeros((NUM_USERS + NUM_ITEMS,) * 2)
        matrix[NUM_USERS:, :NUM_USERS], matrix[:NUM_USERS, NUM_USERS:] = block, block.T
        layers = [e]
        for _ in range(options["num_layers"]):
            layers.append(matrix @ layers[-1])
        self.content = sum(layers) / len(layers)
        aggregation = data[AGGREGATION].adjacency.to_dense().double().numpy().T
        views = []
        for modality in options["in_channels"]:
            gate = (
                data["item"][f"x_{modality}"].numpy() @ weight[f"gates.{modality}.project.weight"].T
            )
            gate = gate + weight[f"gates.{modality}.project.bias"]
            if options["sigmoid_gate"]:
                gate = gate @ weight[f"gates.{modality}.gate.weight"].T
                gate = 1 / (1 + np.exp(-gate - weight[f"gates.{modality}.gate.bias"]))
            view = e[NUM_USERS:] * gate
            for _ in range(options["num_item_layers"]):
                view = data[item_item(modality)].adjacency.to_dense().double().numpy() @ view
            views.append(np.concatenate([aggregation @ view, view]))
        self.views = views
        self.side = np.zeros_like(e)
        for node in range(len(e)):
            scores = []
            for view in views:
                hidden = (
                    weight["fusion.project.weight"] @ view[node] + weight["fusion.project.bias"]
                )
                scores.append(float(weight["fusion.query.weight"][0] @ np.tanh(hidden)))
            total = sum(math.exp(score) for score in scores)
            for view, score in zip(views, scores, strict=True):
                share = 1 - math.exp(score) / total if len(views) > 1 else 1
                self.side[node] += share * view[node]
        if options["divide_fusion"]:
            self.side /= len(views) + 1
        self.final = self.content + self.side
        self.options = options

    def contrast(self, query: Matrix, candidate: Matrix) -> float:
        tau, size = self.options["tau"], len(query)
        if self.options["contrast"] == "aligned_pairs":
            logits = [float(query[b] @ candidate[b]) / tau for b in range(size)]
            denominator = sum(math.exp(logit) for logit in logits)
            return -sum(math.log(math.exp(logit) / denominator) for logit in logits)
        out = 0.0
        for b in range(size):
            norm = np.linalg.norm(query[b]) * np.linalg.norm(candidate, axis=1)
            cosines = [float(query[b] @ candidate[c]) / norm[c] / tau for c in range(size)]
            denominator = sum(math.exp(cosine) for cosine in cosines)
            out -= math.log(math.exp(cosines[b]) / denominator) / size
        return out

    def loss(self, batch: Triplets) -> dict[str, float]:
        u, i, j = batch.user.numpy(), *(NUM_USERS + part.numpy() for part in batch[1:])
        f, content, side = self.final, self.content, self.side
        margins = [float(f[a] @ f[b] - f[a] @ f[c]) for a, b, c in zip(u, i, j, strict=True)]
        bpr = sum(math.log(1 + math.exp(-margin)) for margin in margins)
        user_item = self.contrast(f[u], content[i]) + self.contrast(f[u], side[i])
        items_and_users = self.contrast(side[i], content[i]) + self.contrast(side[u], content[u])
        return {
            "bpr": bpr / (len(u) if self.options["bpr_reduction"] == "mean" else 1),
            "user_item": self.options["l_ui"] * user_item,
            "item_item": self.options["l_ii"] * items_and_users,
        }


@pytest.mark.parametrize("profile", ["paper", "released"])
@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize(("num_layers", "num_item_layers"), [(2, 1), (3, 2)])
def test_equals_the_dense_model(
    profile: str, num_modalities: int, num_layers: int, num_item_layers: int
) -> None:
    sizes = dict(list(SIZES.items())[:num_modalities])
    data = make_data(profile, sizes)
    layers = {"num_layers": num_layers, "num_item_layers": num_item_layers}
    model = make_model(profile, sizes, l_ui=0.3, l_ii=0.7, tau=0.5, **layers)
    dense = Dense(model, data)
    with torch.no_grad():
        views = model.views(data)
        user_emb, item_emb = model(data)
        terms = model.loss(data, BATCH)
    np.testing.assert_allclose(torch.cat(views["content"]), dense.content, rtol=1e-9)
    np.testing.assert_allclose(torch.cat(views["side"]), dense.side, rtol=1e-9, atol=1e-12)
    scores = dense.final[:NUM_USERS] @ dense.final[NUM_USERS:].T
    np.testing.assert_allclose(user_emb @ item_emb.t(), scores, rtol=1e-9)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        dense.loss(BATCH), rel=1e-9
    )


def test_an_item_without_a_modality_has_a_zero_view() -> None:
    data, model = make_data(), make_model()
    dense = Dense(model, data)
    zero = [[bool((view[NUM_USERS + i] == 0).all()) for i in (5, 2, 0)] for view in dense.views]
    assert zero == [[True, True, False], [True, False, False], [True, False, False]]
    views = model.views(data)
    assert views["side"][1][5].tolist() == [0.0] * CHANNELS
    assert model(data)[1][5].equal(views["content"][1][5])
    assert views["side"][1][2].ne(0).all()


@pytest.mark.parametrize("profile", ["paper", "released"])
def test_zero_views_have_finite_gradients(profile: str) -> None:
    data, model = make_data(profile), make_model(profile)
    batch = Triplets(torch.tensor([0, 1]), torch.tensor([5, 5]), torch.tensor([5, 1]))
    loss = sum(model.loss(data, batch).values())
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(("profile", "divisor"), [("paper", 1), ("released", 2)])
def test_the_side_of_one_modality_is_its_view(profile: str, divisor: int) -> None:
    data, model = make_data(profile, {"image": 5}), make_model(profile, {"image": 5})
    (view,) = Dense(model, data).views
    side = torch.cat(model.views(data)["side"]).detach()
    np.testing.assert_allclose(side, view / divisor, rtol=1e-9, atol=1e-12)


def test_modalities_may_have_any_name() -> None:
    sizes = {"text.bert": 3, "type": 4, "keys": 2}
    data, model = make_data(sizes=sizes), make_model(sizes=sizes)
    user_emb, item_emb = model(data)
    dense = Dense(make_model(sizes={"a": 3, "b": 4, "c": 2}), rename(data, sizes))
    np.testing.assert_allclose(torch.cat([user_emb, item_emb]).detach(), dense.final, rtol=1e-9)
    other = make_model(sizes=sizes)
    other.load_state_dict(model.state_dict(), strict=True)


def rename(data: HeteroData, names: dict[str, int]) -> HeteroData:
    for new, name in zip("abc", names, strict=True):
        data["item"][f"x_{new}"] = data["item"][f"x_{name}"]
        data[item_item(new)].adjacency = data[item_item(name)].adjacency
    return data


@pytest.mark.parametrize("profile", ["paper", "released"])
def test_repeated_nodes_are_computed_once_and_count_as_often(
    profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, model = make_data(profile), make_model(profile)
    fused: list[int] = []
    model.fusion.register_forward_hook(lambda module, args, out: fused.append(len(out)))
    results = []
    for _ in range(2):
        terms = model.loss(data, BATCH)
        grads = torch.autograd.grad(sum(terms.values()), list(model.parameters()))
        results.append((terms, grads))
        for module in (base, view_recommender):
            monkeypatch.setattr(module, "distinct", lambda node: (node, torch.arange(len(node))))
    assert fused == [3, 3 + 4, 4, 4 + 4]
    torch.testing.assert_close(*results)


def test_profiles() -> None:
    model, graphs = (inspect.signature(made).parameters for made in (SOIL, SOILGraphs))
    assert list(SOIL.profiles) == ["paper", "released", "best"]
    assert list(SOIL.profiles["paper"]) == list(SOIL.profiles["released"])
    for name, value in SOIL.profiles["paper"].items():
        assert (name in model) != (name in graphs), name
        assert {**graphs, **model}[name].default == value, name
        assert SOIL.profiles["released"][name] != value, name
    assert "negative" not in SOIL.profiles["paper"]
    best = SOIL.best(2, 3, {"image": 4}).options
    assert best == SOIL.released(2, 3, {"image": 4}, l_ii=best["l_ii"]).options
    assert best["l_ii"] < 0.01


def test_profiles_are_option_values() -> None:
    sizes = {"num_users": 2, "num_items": 3, "in_channels": {"image": 4}}
    assert SOIL.paper(**sizes).options == SOIL(**sizes).options
    released = SOIL.released(2, 3, {"image": 4}, l_ui=0.5).options
    changed = {
        "sigmoid_gate": True,
        "divide_fusion": True,
        "contrast": "info_nce",
        "bpr_reduction": "mean",
    }
    assert released == {**SOIL(**sizes).options, **changed, "l_ui": 0.5}
    assert SOIL.released(2, 3, {"image": 4}, contrast="aligned_pairs").options["divide_fusion"]


def test_embeddings_are_xavier_uniform() -> None:
    model = SOIL(50, 40, {"image": 4}, hidden_channels=100)
    for size, embedding in [(50, model.user_embedding), (40, model.item_embedding)]:
        bound = math.sqrt(6 / (size + 100))
        assert 0.99 * bound < embedding.weight.abs().max() <= bound


test_wrong_arguments = wrong_arguments("SOIL")
test_contract = keeps_contract("soil_paper", "soil_released")
