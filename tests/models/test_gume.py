import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from dense_graphs import Matrix, neighbours, normalised
from model_cases import keeps_contract
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import GUME
from soil_pyg.models.gume_graphs import LINKED, LINKS
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets

NUM_USERS, NUM_ITEMS, CHANNELS, K = 9, 8, 3, 4
SIZES = {"image": 5, "text": 3, "audio": 4}
BATCH = Triplets(torch.tensor([4, 0, 4, 8]), torch.tensor([1, 7, 1, 4]), torch.tensor([3, 2, 0, 5]))
OPTIONS = {
    **{"reg": 0.6, "extended_reg": 0.5, "align_weight": 0.4, "bm_weight": 0.3, "bm_tau": 0.5},
    **{"um_weight": 0.2, "um_tau": 0.7},
}


def make_data(num_modalities: int = 3) -> HeteroData:
    """Random data in double precision; item 5 has no modality, item 2 lacks the first, and item 6
    and user 3 have no interaction.
    """
    rng = np.random.default_rng(0)
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in list(SIZES.items())[:num_modalities]:
        x = rng.standard_normal((NUM_ITEMS, size)) + 0.6
        x[[5, 2] if modality == "image" else [5]] = 0
        data[ITEM][f"x_{modality}"] = torch.from_numpy(x)
    interactions = rng.random((NUM_USERS, NUM_ITEMS)) < 0.35
    interactions[:, 6] = False
    interactions[3] = False
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    return GUME.graph_transform(k=K)(data)


def make_model(num_modalities: int = 3, **options: Any) -> GUME:
    torch.manual_seed(0)
    sizes = dict(list(SIZES.items())[:num_modalities])
    model = GUME(NUM_USERS, NUM_ITEMS, sizes, hidden_channels=CHANNELS, **options).double()
    with torch.no_grad():
        for features in model.features.values():
            features.offset.weight.normal_()
    return model


class Dense:
    """The model with dense matrices and loops."""

    def __init__(self, model: GUME, data: HeteroData, noise: float = 0.0) -> None:
        self.options, self.noise = model.options, noise
        self.names = list(model.options["in_channels"])
        self.weight = {name: p.detach().numpy() for name, p in model.named_parameters()}
        x = {m: data[ITEM][f"x_{m}"].numpy() for m in self.names}
        near = {m: neighbours(x[m], K) for m in self.names}
        self.matrix = np.zeros((NUM_USERS + NUM_ITEMS,) * 2)
        for user, item in data[INTERACTS].edge_index.t().tolist():
            self.matrix[user, NUM_USERS + item] = self.matrix[NUM_USERS + item, user] = 1
        for i in range(NUM_ITEMS):
            for j in range(NUM_ITEMS):
                shared = [m for m in self.names if x[m][i].any() and x[m][j].any()]
                if i != j and shared and all(near[m][i, j] > 0 for m in shared):
                    self.matrix[NUM_USERS + i, NUM_USERS + j] = 1
        self.matrix = normalised(self.matrix)
        users, items = self.weight["user_embedding.weight"], self.weight["item_embedding.weight"]
        self.content = self.spread(np.concatenate([users, items]))
        self.views, interests = [], []
        for m in self.names:
            gate = x[m] + self.weight[f"features.{m}.offset.weight"]
            for layer in (f"gates.{m}.project", f"gates.{m}.gate"):
                gate = gate @ self.weight[f"{layer}.weight"].T + self.weight[f"{layer}.bias"]
            view = items / (1 + np.exp(-gate))
            for _ in range(self.options["num_item_layers"]):
                view = normalised(near[m]) @ view
            self.views.append(np.concatenate([self.matrix[:NUM_USERS, NUM_USERS:] @ view, view]))
            table = self.weight[f"interests.{m}.weight"]
            interests.append(self.spread(np.concatenate([table, view])))
        self.interest = sum(interests) / len(interests)
        self.side = np.stack([self.fuse(node) for node in range(NUM_USERS + NUM_ITEMS)])
        self.final = self.content + self.side

    def spread(self, x: Matrix) -> Matrix:
        layers = [x]
        for _ in range(self.options["num_layers"]):
            layers.append(self.matrix @ layers[-1])
        return sum(layers) / len(layers)

    def fuse(self, node: int) -> Matrix:
        weight, scores = self.weight, []
        for view in self.views:
            hidden = np.tanh(weight["project.weight"] @ view[node] + weight["project.bias"])
            scores.append(math.exp(float(weight["query.weight"][0] @ hidden)))
        coarse = sum(
            s / sum(scores) * view[node] for s, view in zip(scores, self.views, strict=True)
        )
        side = coarse
        for m, view in zip(self.names, self.views, strict=True):
            behaviour = weight[f"preferences.{m}.weight"] @ self.content[node]
            behaviour = 1 / (1 + np.exp(-behaviour - weight[f"preferences.{m}.bias"]))
            side = side + behaviour * (view[node] - coarse)
        return side / (len(self.names) + 1)

    def noisy(self, x: Matrix) -> Matrix:
        return x + self.noise * np.sign(x) / math.sqrt(CHANNELS)

    def loss(self, batch: Triplets) -> dict[str, float]:
        u, i, j = batch.user.numpy(), *(NUM_USERS + part.numpy() for part in batch[1:])
        f, options = self.final, self.options
        margins = [float(f[a] @ (f[b] - f[c])) for a, b, c in zip(u, i, j, strict=True)]
        squares = sum(float((f[part] ** 2).sum()) for part in (u, i, j))
        bm = nce(self.side, self.content, u, options["bm_tau"])
        bm += nce(self.side, self.content, i, options["bm_tau"])
        um = nce(self.interest, self.side, u, options["um_tau"])
        for x in (self.side, self.interest):
            um += nce(self.noisy(x), self.noisy(x), u, options["um_tau"])
        terms = {
            "bpr": sum(math.log(1 + math.exp(-margin)) for margin in margins) / len(u),
            "reg": options["reg"] * squares / 2 / len(u),
            "contrast": options["bm_weight"] * bm,
            "extended_reg": options["extended_reg"] * (self.interest[i] ** 2).sum() / 2 / len(u),
            "user_contrast": options["um_weight"] * um,
        }
        if len(self.views) > 1:
            terms["align"] = options["align_weight"] * sum(
                abs(a.var(ddof=1) - b.var(ddof=1)) + abs(a.mean() - b.mean())
                for a, b in combinations(self.views, 2)
            )
        return terms


def nce(query: Matrix, candidate: Matrix, nodes: Matrix, tau: float) -> float:
    def ratio(a: int, b: int) -> float:
        norm = max(1e-8, np.linalg.norm(query[a])) * max(1e-8, np.linalg.norm(candidate[b]))
        return math.exp(float(query[a] @ candidate[b]) / norm / tau)

    return -sum(math.log(ratio(a, a) / sum(ratio(a, b) for b in nodes)) for a in nodes) / len(nodes)


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize(("num_layers", "num_item_layers"), [(2, 1), (3, 2), (0, 0)])
def test_equals_the_dense_model(num_modalities: int, num_layers: int, num_item_layers: int) -> None:
    data = make_data(num_modalities)
    layers = {"num_layers": num_layers, "num_item_layers": num_item_layers}
    model = make_model(num_modalities, **OPTIONS, **layers).eval()
    dense = Dense(model, data)
    with torch.no_grad():
        out = torch.cat(model(data))
        terms = model.loss(data, BATCH)
    # The graphs are in single precision.
    np.testing.assert_allclose(out, dense.final, rtol=1e-5, atol=1e-6)
    expected = dense.loss(BATCH)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-5)


def test_noise_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    data, model = make_data(), make_model(**OPTIONS, noise=2.0)
    monkeypatch.setattr(torch, "rand_like", torch.ones_like)
    terms, expected = model.loss(data, BATCH), Dense(model, data, noise=2.0).loss(BATCH)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-5)
    quiet = model.eval().loss(data, BATCH)
    assert [name for name in terms if terms[name] != quiet[name]] == ["user_contrast"]


def test_links_need_every_modality_that_both_items_have() -> None:
    x = torch.eye(6)[[0, 1, 2, 3, 4, 5]]
    image, text = x.clone(), x.clone()
    image[1, 0], text[1, 0] = 1.0, 1.0
    image[2, 3], text[2, 4] = 1.0, 1.0
    text[3] = 0
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].x_image, data[ITEM].x_text = 1, image, text
    data[INTERACTS].edge_index = torch.tensor([[0], [5]])
    data = GUME.graph_transform(k=2)(data)
    links = {tuple(pair) for pair in data[LINKS].edge_index.t().tolist()}
    # 0 and 1 are alike in both, 2 and 3 in the only one that 3 has, 2 and 4 in the text alone.
    assert links == {(0, 1), (1, 0), (2, 3), (3, 2)}


def test_an_item_that_only_others_link_to_has_factor_zero() -> None:
    """Items 0, 1 and 3 are equal; with the smaller ids, 0 and 1 are the nearest of all three."""
    data = HeteroData()
    data[USER].num_nodes = 1
    data[ITEM].x_image = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    data[INTERACTS].edge_index = torch.tensor([[0], [2]])
    links = GUME.graph_transform(k=1)(data)[LINKS]
    assert links.edge_index.tolist() == [[0, 0], [1, 3]]
    # No row of the matrix has item 0 as its target.
    assert links.adjacency.to_dense().count_nonzero() == 0


def test_new_users_are_folded_in() -> None:
    """The oracle are the embeddings of a user with the same items among the known users."""
    data, model = make_data(), make_model(num_layers=1)
    items = torch.tensor([1, 4, 6])
    edge_index = torch.stack([torch.zeros(3, dtype=torch.long), items])
    found = model.embed_new_users(data, GUME.graph_transform, model(data)[1], edge_index, 1)
    larger = data.clone()
    larger[USER].num_nodes = NUM_USERS + 1
    known = data[INTERACTS].edge_index
    joined = torch.stack([edge_index[0] + NUM_USERS, items])
    larger[INTERACTS].edge_index = torch.cat([known, joined], dim=1)
    larger = GUME.graph_transform(k=K)(larger)
    row = larger[LINKED].adjacency.t().to_dense()[-1].double()
    # The messages of the known items: with one layer, half of their initial embeddings.
    content = row @ model.item_embedding.weight / 2
    views = [(row @ view).unsqueeze(0) for view in model.propagate(data)[2]]
    expected = content.unsqueeze(0) + model.fuse(content.unsqueeze(0), views)
    torch.testing.assert_close(found, expected)


def test_tables_of_users() -> None:
    names = make_model().node_parameters()
    assert {name for name, kind in names.items() if kind == USER} == {
        "user_embedding.weight",
        *(f"interests.{modality}.weight" for modality in SIZES),
    }


def test_initial_parameters() -> None:
    model = GUME(50, 40, {"image": 4}, hidden_channels=100)
    bound = math.sqrt(6 / 150)
    for table in (model.user_embedding, model.interests["image"]):
        assert 0.99 * bound < table.weight.abs().max() <= bound
    assert model.features["image"].offset.weight.count_nonzero() == 0


test_wrong_arguments = wrong_arguments("GUME", "GUMEGraphs")
test_contract = keeps_contract("gume")
