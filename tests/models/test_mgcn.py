import math

import numpy as np
import pytest
import torch
from dense_graphs import Matrix, neighbours, normalised
from model_cases import keeps_contract
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import MGCN, base, view_recommender
from soil_pyg.training.training_loss import TrainingLoss
from soil_pyg.typing import INTERACTS, Triplets

NUM_USERS, NUM_ITEMS, CHANNELS, K = 9, 8, 3, 4
SIZES = {"image": 5, "text": 3, "audio": 4}
BATCH = Triplets(torch.tensor([4, 0, 4, 8]), torch.tensor([1, 7, 1, 4]), torch.tensor([3, 2, 0, 5]))


def make_data(num_modalities: int = 3) -> HeteroData:
    """Random data in double precision; item 5 has no modality, item 2 lacks the first."""
    rng = np.random.default_rng(0)
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in list(SIZES.items())[:num_modalities]:
        x = rng.standard_normal((NUM_ITEMS, size)) + 0.3
        x[[5, 2] if modality == "image" else [5]] = 0
        data["item"][f"x_{modality}"] = torch.from_numpy(x)
    interactions = rng.random((NUM_USERS, NUM_ITEMS)) < 0.35
    interactions[np.arange(NUM_USERS), rng.integers(NUM_ITEMS, size=NUM_USERS)] = True
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    return MGCN.graph_transform(k=K)(data)


def make_model(num_modalities: int = 3, **options: object) -> MGCN:
    torch.manual_seed(0)
    sizes = dict(list(SIZES.items())[:num_modalities])
    model = MGCN(NUM_USERS, NUM_ITEMS, sizes, hidden_channels=CHANNELS, **options).double()
    with torch.no_grad():
        for features in model.features.values():
            features.offset.weight.normal_()
    return model


class Dense:
    """The model with dense matrices and loops."""

    def __init__(self, model: MGCN, data: HeteroData) -> None:
        options = model.options
        weight = {name: p.detach().numpy() for name, p in model.named_parameters()}
        e = np.concatenate([weight["user_embedding.weight"], weight["item_embedding.weight"]])
        matrix = np.zeros((NUM_USERS + NUM_ITEMS,) * 2)
        for user, item in data[INTERACTS].edge_index.t().tolist():
            matrix[user, NUM_USERS + item] = matrix[NUM_USERS + item, user] = 1
        matrix = normalised(matrix)
        layers = [e]
        for _ in range(options["num_layers"]):
            layers.append(matrix @ layers[-1])
        self.content = sum(layers) / len(layers)
        views = []
        for modality in options["in_channels"]:
            x = data["item"][f"x_{modality}"].numpy()
            gate = x + weight[f"features.{modality}.offset.weight"]
            for layer in (f"gates.{modality}.project", f"gates.{modality}.gate"):
                gate = gate @ weight[f"{layer}.weight"].T + weight[f"{layer}.bias"]
            view = e[NUM_USERS:] / (1 + np.exp(-gate))
            for _ in range(options["num_item_layers"]):
                view = normalised(neighbours(x, K)) @ view
            views.append(np.concatenate([matrix[:NUM_USERS, NUM_USERS:] @ view, view]))
        self.side = np.zeros_like(e)
        for node in range(len(e)):
            scores = []
            for view in views:
                hidden = np.tanh(weight["project.weight"] @ view[node] + weight["project.bias"])
                scores.append(math.exp(float(weight["query.weight"][0] @ hidden)))
            common = np.zeros(CHANNELS)
            for view, score in zip(views, scores, strict=True):
                common += score / sum(scores) * view[node]
            self.side[node] = common / (len(views) + 1)
            for modality, view in zip(options["in_channels"], views, strict=True):
                preference = weight[f"preferences.{modality}.weight"] @ self.content[node]
                preference = 1 / (1 + np.exp(-preference - weight[f"preferences.{modality}.bias"]))
                self.side[node] += preference * (view[node] - common) / (len(views) + 1)
        self.final = self.content + self.side
        self.options = options

    def contrast(self, nodes: Matrix) -> float:
        def ratio(a: int, b: int) -> float:
            norm = np.linalg.norm(self.side[a]) * np.linalg.norm(self.content[b])
            return math.exp(float(self.side[a] @ self.content[b]) / norm / self.options["tau"])

        logs = [math.log(ratio(a, a) / sum(ratio(a, b) for b in nodes)) for a in nodes]
        return -sum(logs) / len(nodes)

    def loss(self, batch: Triplets) -> dict[str, float]:
        u, i, j = batch.user.numpy(), *(NUM_USERS + part.numpy() for part in batch[1:])
        f = self.final
        margins = [float(f[a] @ (f[b] - f[c])) for a, b, c in zip(u, i, j, strict=True)]
        squares = sum(float((f[part] ** 2).sum()) for part in (u, i, j))
        return {
            "bpr": sum(math.log(1 + math.exp(-margin)) for margin in margins) / len(u),
            "reg": self.options["reg"] * squares / 2 / len(u),
            "contrast": self.options["cl_weight"] * (self.contrast(i) + self.contrast(u)),
        }


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize(("num_layers", "num_item_layers"), [(2, 1), (3, 2), (0, 0)])
def test_equals_the_dense_model(num_modalities: int, num_layers: int, num_item_layers: int) -> None:
    data = make_data(num_modalities)
    weights = {"reg": 0.6, "cl_weight": 0.3, "tau": 0.5}
    layers = {"num_layers": num_layers, "num_item_layers": num_item_layers}
    model = make_model(num_modalities, **weights, **layers)
    dense = Dense(model, data)
    with torch.no_grad():
        out = torch.cat(model(data))
        terms = model.loss(data, BATCH)
    # The graphs are in single precision.
    np.testing.assert_allclose(out, dense.final, rtol=1e-5, atol=1e-7)
    expected = dense.loss(BATCH)
    assert list(terms) == list(expected)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-5)


def test_an_item_without_features_has_its_content_only() -> None:
    data, model = make_data(), make_model()
    content, _, item_views = model.propagate(data)
    assert [[bool(view[i].eq(0).all()) for i in (5, 2, 0)] for view in item_views] == [
        [True, True, False],
        [True, False, False],
        [True, False, False],
    ]
    assert model(data)[1][5].equal(content[1][5])


def test_zero_views_have_finite_gradients() -> None:
    data, model = make_data(), make_model()
    batch = Triplets(torch.tensor([0, 1]), torch.tensor([5, 5]), torch.tensor([5, 1]))
    loss = sum(model.loss(data, batch).values())
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_features_are_trained_from_the_given_ones_on() -> None:
    data, model = make_data(), make_model()
    before = model(data)[1]
    model.reset_parameters()
    for modality in SIZES:
        assert model.features[modality].offset.weight.eq(0).all()
    model = make_model()
    for modality in SIZES:
        offset = model.features[modality].offset.weight.detach()
        data["item"][f"x_{modality}"] = data["item"][f"x_{modality}"] + offset
        torch.nn.init.zeros_(model.features[modality].offset.weight)
    torch.testing.assert_close(model(data)[1], before)


def test_repeated_nodes_are_computed_once_and_count_as_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, model = make_data(), make_model()
    fused: list[int] = []
    model.preferences["image"].register_forward_hook(lambda *args: fused.append(len(args[-1])))
    results = []
    for _ in range(2):
        terms = model.loss(data, BATCH)
        grads = torch.autograd.grad(sum(terms.values()), list(model.parameters()))
        results.append((terms, grads))
        for module in (base, view_recommender):
            monkeypatch.setattr(module, "distinct", lambda node: (node, torch.arange(len(node))))
    assert fused == [3, 3 + 4, 4, 4 + 4]
    torch.testing.assert_close(*results)


def test_parameters_of_items() -> None:
    model = MGCN(NUM_USERS, NUM_ITEMS, SIZES, hidden_channels=CHANNELS).double()
    assert {name for name, kind in model.node_parameters().items() if kind == "item"} == {
        "item_embedding.weight",
        *(f"features.{modality}.offset.weight" for modality in SIZES),
    }


def test_modalities_may_have_any_name() -> None:
    data, sizes = make_data(2), {"text.bert": 5, "keys": 3}
    for new, name in zip(sizes, SIZES, strict=False):
        data["item"][f"x_{new}"] = data["item"][f"x_{name}"]
        del data["item"][f"x_{name}"]
    data = MGCN.graph_transform(k=K)(data)
    torch.manual_seed(0)
    model = MGCN(NUM_USERS, NUM_ITEMS, sizes).double()
    torch.manual_seed(0)
    other = MGCN(NUM_USERS, NUM_ITEMS, {"image": 5, "text": 3}).double()
    assert torch.cat(model(data)).equal(torch.cat(other(make_data(2))))
    TrainingLoss(model, partitioned=True)


def test_initial_parameters() -> None:
    model = MGCN(50, 40, {"image": 4}, hidden_channels=100)
    for size, embedding in [(50, model.user_embedding), (40, model.item_embedding)]:
        bound = math.sqrt(6 / (size + 100))
        assert 0.99 * bound < embedding.weight.abs().max() <= bound
    assert 0.099 < model.preferences["image"].weight.abs().max() <= 0.1


def test_repr() -> None:
    assert str(MGCN(3, 4, {"image": 5}, hidden_channels=6)) == (
        "MGCN(\n"
        "  (user_embedding): Embedding(3, 6)\n"
        "  (item_embedding): Embedding(4, 6)\n"
        "  (features): ModuleDict(\n"
        "    (image): TrainedFeatures(4, 5)\n"
        "  )\n"
        "  (gates): ModuleDict(\n"
        "    (image): ModalityGate(5, 6, sigmoid=True)\n"
        "  )\n"
        "  (preferences): ModuleDict(\n"
        "    (image): Linear(in_features=6, out_features=6, bias=True)\n"
        "  )\n"
        "  (project): Linear(in_features=6, out_features=6, bias=True)\n"
        "  (query): Linear(in_features=6, out_features=1, bias=False)\n"
        "  (propagation): LightPropagation(num_layers=2)\n"
        "  (conv): LightConv()\n"
        "  (bpr_loss): BPRLoss(reduction='mean')\n"
        "  (contrast): InfoNCELoss(tau=0.2, reduction='mean')\n"
        ")"
    )


test_wrong_arguments = wrong_arguments("MGCN")
test_contract = keeps_contract("mgcn")
