import math
from typing import Any

import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import SMORE
from soil_pyg.models.graphs import similar
from soil_pyg.typing import INTERACTS, Triplets

NUM_USERS, NUM_ITEMS, CHANNELS, K = 9, 8, 4, 4
SIZES = {"image": 5, "text": 3, "audio": 4}
BATCH = Triplets(torch.tensor([4, 0, 4, 8]), torch.tensor([1, 7, 1, 4]), torch.tensor([3, 2, 0, 5]))
Matrix = np.ndarray


def make_data(num_modalities: int = 3, **graphs: Any) -> HeteroData:
    """Random data in double precision; item 5 has no modality, item 2 lacks the first."""
    rng = np.random.default_rng(0)
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in list(SIZES.items())[:num_modalities]:
        x = rng.standard_normal((NUM_ITEMS, size)) + 0.3
        x[[5, 2] if modality == "image" else [5]] = 0
        data["item"][f"x_{modality}"] = torch.from_numpy(x)
    interactions = rng.random((NUM_USERS, NUM_ITEMS)) < 0.35
    interactions[3] = False
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    # The first modality is not the first of the alphabet.
    options = {"k": K, "modalities": list(SIZES)[:num_modalities], **graphs}
    return SMORE.graph_transform(**options)(data)


def make_model(num_modalities: int = 3, **options: Any) -> SMORE:
    torch.manual_seed(0)
    sizes = dict(list(SIZES.items())[:num_modalities])
    model = SMORE(NUM_USERS, NUM_ITEMS, sizes, hidden_channels=CHANNELS, **options).double()
    with torch.no_grad():
        for features in model.features.values():
            features.offset.weight.normal_()
    return model


def normalised(matrix: Matrix, columns: Matrix) -> Matrix:
    out, rows = np.zeros_like(matrix), matrix.sum(1)
    for i, j in zip(*np.nonzero(matrix), strict=True):
        out[i, j] = matrix[i, j] / math.sqrt(rows[i] * columns[j])
    return out


def nearest(x: Matrix, k: int) -> Matrix:
    """The normalised graph of the k nearest items with positive cosines."""
    out = np.zeros((NUM_ITEMS, NUM_ITEMS))
    has = [i for i in range(NUM_ITEMS) if np.linalg.norm(x[i]) > 0]
    for i in has:
        cosine = {j: x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j]) for j in has}
        for j in sorted(has, key=lambda j: -cosine[j])[:k]:
            out[i, j] = max(0, cosine[j])
    return normalised(out, out.sum(1))


def sigmoid(x: Matrix) -> Matrix:
    return 1 / (1 + np.exp(-x))


class Dense:
    """The model with dense matrices; the last users of `interactions` are newcomers."""

    def __init__(self, model: SMORE, data: HeteroData, interactions: Matrix, first_k: int) -> None:
        self.p = {name: p.detach().numpy() for name, p in model.named_parameters()}
        self.options, names = model.options, list(model.in_channels)
        matrix = normalised(interactions, interactions.sum(0))
        known = interactions[:NUM_USERS]
        sent = normalised(known, known.sum(0))
        graphs, spectra = {}, {}
        for number, m in enumerate(names):
            x = data["item"][f"x_{m}"].numpy()
            graphs[m] = nearest(x, first_k if number == 0 else K)
            x = x + self.p[f"features.{m}.offset.weight"]
            spectra[m] = np.fft.rfft(self.linear(f"projections.{m}", x), norm="ortho")
        graphs["fusion"] = np.maximum.reduce(list(graphs.values()))
        spectra["fusion"] = np.prod(list(spectra.values()), axis=0)
        self.graphs = graphs
        users, items = self.p["user_embedding.weight"], self.p["item_embedding.weight"]
        item_views = {}
        for name, spectrum in spectra.items():
            weight = self.p[f"filters.{name}.weight"]
            spectrum = spectrum * (weight[:, 0] + 1j * weight[:, 1])
            x = np.fft.irfft(spectrum, n=CHANNELS, norm="ortho")
            x = items * sigmoid(self.linear(f"gates.{name}", x))
            for _ in range(self.options["num_item_layers"]):
                x = graphs[name] @ x
            item_views[name] = x
        layers, gathered = [(users, items)], [np.zeros_like(matrix @ items)]
        for _ in range(self.options["num_layers"]):
            gathered.append(matrix @ layers[-1][1])
            layers.append((sent @ layers[-1][1], sent.T @ layers[-1][0]))
        depth = len(layers)
        user = sum(gathered) / depth
        user[:NUM_USERS] = sum(x for x, _ in layers) / depth
        item = sum(x for _, x in layers) / depth
        user_views = {name: matrix @ x for name, x in item_views.items()}
        self.content = np.concatenate([user, item])
        views = {name: np.concatenate([user_views[name], item_views[name]]) for name in item_views}
        side = np.zeros_like(self.content)
        for name, view in views.items():
            share = sigmoid(self.linear(f"preferences.{name}", self.content)) / len(views)
            if name != "fusion":
                query = np.tanh(self.linear(f"hidden.{name}", views["fusion"]))
                query = np.exp(query @ self.p[f"query.{name}.weight"].T)
                share = share * query / query.sum(1, keepdims=True)
            side = side + share * view
        self.side, self.final = side, self.content + side

    def linear(self, name: str, x: Matrix) -> Matrix:
        return x @ self.p[f"{name}.weight"].T + self.p[f"{name}.bias"]

    def nce(self, rows: list[int]) -> float:
        side, content = (
            x[rows] / np.linalg.norm(x[rows], axis=1, keepdims=True).clip(1e-12)
            for x in (self.side, self.content)
        )
        ratios = np.exp(side @ content.T / 0.2)
        return float(-np.log(np.diag(ratios) / ratios.sum(1)).mean())

    def loss(self) -> dict[str, float]:
        users, *items = (part.tolist() for part in BATCH)
        positives, negatives = ([NUM_USERS + item for item in part] for part in items)
        bpr = reg = 0.0
        for user, i, j in zip(users, positives, negatives, strict=True):
            margin = self.final[user] @ (self.final[i] - self.final[j])
            bpr += np.log1p(np.exp(-margin)) / len(users)
            reg += sum((self.final[row] ** 2).sum() for row in (user, i, j)) / 2 / len(users)
        contrast = self.nce(users) + self.nce(positives)
        weights = self.options["reg"], self.options["cl_weight"]
        return {"bpr": bpr, "reg": weights[0] * reg, "contrast": weights[1] * contrast}


def interactions_of(data: HeteroData) -> Matrix:
    out = np.zeros((NUM_USERS, NUM_ITEMS))
    out[tuple(data[INTERACTS].edge_index.numpy())] = 1
    return out


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize(("num_layers", "num_item_layers", "first_k"), [(2, 1, K), (3, 2, 2)])
def test_equals_the_dense_model(
    num_modalities: int, num_layers: int, num_item_layers: int, first_k: int
) -> None:
    data = make_data(num_modalities, first_k=None if first_k == K else first_k)
    options = {"num_layers": num_layers, "num_item_layers": num_item_layers}
    model = make_model(num_modalities, **options, reg=0.3, cl_weight=0.2)
    dense = Dense(model, data, interactions_of(data), first_k)
    for name, graph in dense.graphs.items():
        np.testing.assert_allclose(data[similar(name)].adjacency.to_dense(), graph, rtol=1e-5)
    emb = torch.cat(model(data)).detach()
    # The graphs are held in single precision.
    np.testing.assert_allclose(emb, dense.final, rtol=1e-5, atol=1e-7)
    found = {name: term.item() for name, term in model.loss(data, BATCH).items()}
    assert found == pytest.approx(dense.loss(), rel=1e-5)


def test_new_users_are_folded_in() -> None:
    data, model, new = make_data(), make_model(), torch.tensor([[0, 0, 1], [1, 2, 7]])

    def transform() -> Any:
        return SMORE.graph_transform(k=K, modalities=list(SIZES))

    found = model.embed_new_users(data, transform, model(data)[1], new, 2).detach()
    rows = np.zeros((2, NUM_ITEMS))
    rows[tuple(new.numpy())] = 1
    dense = Dense(model, data, np.concatenate([interactions_of(data), rows]), K)
    expected = dense.final[NUM_USERS : NUM_USERS + 2]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_dropout_is_drawn_in_the_loss_of_training_alone() -> None:
    data, model = make_data(), make_model(dropout=0.5)
    plain = make_model().loss(data, BATCH)
    assert model.eval().loss(data, BATCH) == plain
    assert model.train().loss(data, BATCH)["bpr"] != plain["bpr"]
    assert all(a.equal(b) for a, b in zip(model(data), make_model()(data), strict=True))


def test_a_modality_named_as_the_fusion() -> None:
    with pytest.raises(ValueError, match=r"'in_channels'.*'fusion'"):
        SMORE(2, 3, {"fusion": 4})


test_wrong_arguments = wrong_arguments("SMORE", "SMOREGraphs")
test_contract = keeps_contract("smore")
