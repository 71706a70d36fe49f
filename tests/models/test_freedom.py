from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from torch import Tensor
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import FREEDOM
from soil_pyg.models.freedom import ITEM_ITEM
from soil_pyg.models.pruned_interactions import PRUNED
from soil_pyg.ops.sampled_adjacency import SampledAdjacency
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets

NUM_USERS, NUM_ITEMS, K = 9, 8, 3
SIZES = {"image": 5, "text": 3, "audio": 4}
BATCH = Triplets(torch.tensor([4, 0, 4, 8]), torch.tensor([1, 7, 1, 4]), torch.tensor([3, 2, 0, 5]))
Matrix = np.ndarray


def make_data(sizes: dict[str, int] = SIZES, **graphs: Any) -> HeteroData:
    """Random data in double precision; item 5 has no modality, item 2 lacks the first."""
    rng = np.random.default_rng(0)
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in sizes.items():
        x = rng.standard_normal((NUM_ITEMS, size)) + 0.3
        x[[5, 2] if modality == next(iter(sizes)) else [5]] = 0
        data[ITEM][f"x_{modality}"] = torch.from_numpy(x)
    interactions = rng.random((NUM_USERS, NUM_ITEMS)) < 0.35
    interactions[:, 6] = False
    interactions[3] = False
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    return FREEDOM.graph_transform(**{"k": K, **graphs})(data)


def make_model(sizes: dict[str, int] = SIZES, **options: Any) -> FREEDOM:
    """A model in double precision that was trained, as far as its parameters tell."""
    torch.manual_seed(0)
    model = FREEDOM(NUM_USERS, NUM_ITEMS, sizes, hidden_channels=3, **options).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def sym(w: Matrix) -> Matrix:
    rows, out = w.sum(1), np.zeros_like(w)
    columns = rows if w.shape[0] == w.shape[1] else w.sum(0)
    for i, j in zip(*np.nonzero(w), strict=True):
        out[i, j] = w[i, j] / np.sqrt(rows[i] * columns[j])
    return out


def nearest(x: Matrix) -> Matrix:
    """A one for each of the k nearest of an item that has the modality."""
    has = np.flatnonzero(np.abs(x).sum(1)).tolist()
    out = np.zeros((len(x), len(x)))
    for i in has:
        cosine = {j: x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j]) for j in has}
        out[i, sorted(cosine, key=lambda j: (-cosine[j], j))[:K]] = 1
    return out


def interactions(edge_index: Tensor) -> Matrix:
    out = np.zeros((NUM_USERS, NUM_ITEMS))
    out[edge_index[0], edge_index[1]] = 1
    return out


class Dense:
    """The model with dense matrices and loops."""

    def __init__(
        self, model: FREEDOM, data: HeteroData, edge_index: Tensor, first_weight: float = 0.1
    ) -> None:
        options = self.options = model.options
        weight = {name: p.detach().numpy() for name, p in model.named_parameters()}
        names = list(options["in_channels"])
        rest = (1 - first_weight) / max(1, len(names) - 1)
        shares = [first_weight, *[rest] * (len(names) - 1)] if len(names) > 1 else [1.0]
        self.matrix = np.zeros((NUM_ITEMS, NUM_ITEMS))
        self.projected = {}
        for modality, share in zip(names, shares, strict=True):
            x = data[ITEM][f"x_{modality}"].numpy()
            self.matrix += share * sym(nearest(x))
            x = x + weight[f"features.{modality}.offset.weight"]
            x = x @ weight[f"projections.{modality}.weight"].T
            self.projected[modality] = x + weight[f"projections.{modality}.bias"]
        block = sym(interactions(edge_index))
        users, items = weight["user_embedding.weight"], weight["item_embedding.weight"]
        layers = [(users, items)]
        for _ in range(options["num_layers"]):
            layers.append((block @ layers[-1][1], block.T @ layers[-1][0]))
        self.user, self.item = (sum(side) / len(layers) for side in zip(*layers, strict=True))
        for _ in range(options["num_item_layers"]):
            items = self.matrix @ items
        self.item = self.item + items

    def bpr(self, items: Matrix, batch: Triplets) -> float:
        out = 0.0
        for user, positive, negative in zip(*(part.tolist() for part in batch), strict=True):
            margin = self.user[user] @ (items[positive] - items[negative])
            out += np.log(1 + np.exp(-margin)) / len(batch.user)
        return out

    def loss(self, batch: Triplets) -> dict[str, float]:
        terms = {
            f"bpr_{m}": self.options["reg"] * self.bpr(x, batch) for m, x in self.projected.items()
        }
        return {"bpr": self.bpr(self.item, batch), **terms}


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize(("num_layers", "num_item_layers"), [(2, 1), (3, 2), (0, 0)])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_equals_the_dense_model(
    num_modalities: int, num_layers: int, num_item_layers: int, dropout: float
) -> None:
    sizes = dict(list(SIZES.items())[:num_modalities])
    data = make_data(sizes, first_weight=0.3)
    layers = {"num_layers": num_layers, "num_item_layers": num_item_layers}
    model = make_model(sizes, reg=0.7, dropout=dropout, **layers)
    model.on_epoch_start(data)
    whole = Dense(model, data, data[INTERACTS].edge_index, 0.3)
    trained = Dense(model, data, data[PRUNED].edge_index, 0.3) if dropout else whole
    with torch.no_grad():
        user_emb, item_emb = model(data)
        losses = [model.train(mode).loss(data, BATCH) for mode in (True, False)]
    # The graphs are held in single precision.
    np.testing.assert_allclose(data[ITEM_ITEM].adjacency.to_dense(), whole.matrix, rtol=1e-5)
    np.testing.assert_allclose(user_emb, whole.user, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(item_emb, whole.item, rtol=1e-5, atol=1e-7)
    for terms, dense in zip(losses, (trained, whole), strict=True):
        found = {name: term.item() for name, term in terms.items()}
        assert found == pytest.approx(dense.loss(BATCH), rel=1e-5)


def test_every_epoch_keeps_other_interactions() -> None:
    data, model = make_data(), make_model(dropout=0.6)
    whole = data[INTERACTS].edge_index
    num_kept = round(0.4 * whole.size(1))
    before, draws = data[INTERACTS].adjacency.to_dense(), []
    for _ in range(5):
        model.on_epoch_start(data)
        kept = data[PRUNED].edge_index
        pairs = {tuple(pair) for pair in kept.t().tolist()}
        assert len(pairs) == kept.size(1) == num_kept
        assert pairs <= {tuple(pair) for pair in whole.t().tolist()}
        expected = sym(interactions(kept)).T
        np.testing.assert_allclose(data[PRUNED].adjacency.to_dense(), expected, rtol=1e-6)
        draws.append(frozenset(pairs))
    assert len(set(draws)) > 1
    assert data[INTERACTS].adjacency.to_dense().equal(before)


def test_the_seed_tells_the_interactions() -> None:
    data, model, draws = make_data(), make_model(dropout=0.7), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model.on_epoch_start(data)
        draws.append(data[PRUNED].edge_index.tolist())
    assert draws[0] == draws[1] != draws[2]


def test_interactions_of_rare_nodes_are_kept_more_often() -> None:
    """The first two draws follow the probabilities of a draw without replacement."""
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = 3, 3
    data[ITEM].x_image = torch.rand(3, 2)
    data[INTERACTS].edge_index = torch.tensor([[0, 0, 0, 1, 2], [0, 1, 2, 0, 1]])
    data = FREEDOM.graph_transform(k=1)(data)
    model = FREEDOM(3, 3, {"image": 2}, hidden_channels=2, dropout=0.6)
    degree = {"user": [3, 1, 1], "item": [2, 2, 1]}
    p = np.array(
        [
            1 / np.sqrt(degree["user"][u] * degree["item"][i])
            for u, i in data[INTERACTS].edge_index.t().tolist()
        ]
    )
    p /= p.sum()
    expected = [p[e] + sum(p[f] * p[e] / (1 - p[f]) for f in range(5) if f != e) for e in range(5)]
    assert sum(expected) == pytest.approx(2)
    torch.manual_seed(0)
    count, num_draws = np.zeros((3, 3)), 2000
    for _ in range(num_draws):
        model.on_epoch_start(data)
        user, item = data[PRUNED].edge_index
        count[user, item] += 1
    user, item = data[INTERACTS].edge_index
    np.testing.assert_allclose(count[user, item] / num_draws, expected, atol=0.04)


def test_only_training_is_pruned() -> None:
    data, model = make_data(), make_model(dropout=0.7)
    whole, embeddings = model.loss(data, BATCH), model(data)
    model.on_epoch_start(data)
    pruned = model.loss(data, BATCH)
    assert pruned["bpr"] != whole["bpr"]
    assert model.loss(data, BATCH) == pruned
    assert model.eval().loss(data, BATCH) == whole
    for mode in (True, False):
        assert all(a.equal(b) for a, b in zip(model.train(mode)(data), embeddings, strict=True))
    # What another model pruned is not for a model that prunes nothing.
    assert make_model(dropout=0.0).loss(data, BATCH) == whole
    other = make_model(dropout=0.0)
    fresh = make_data()
    other.on_epoch_start(fresh)
    assert PRUNED not in fresh.edge_types


def test_nothing_may_be_kept() -> None:
    data, model = make_data(), make_model(dropout=0.999)
    model.on_epoch_start(data)
    assert data[PRUNED].edge_index.size(1) == 0
    sum(model.loss(data, BATCH).values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("num_partitions", [1, 3])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training(
    random_data: Callable[..., HeteroData],
    monkeypatch: pytest.MonkeyPatch,
    num_partitions: int,
    precision: Any,
) -> None:
    data = random_data()
    torch.manual_seed(0)
    data[ITEM].x_image, data[ITEM].x_text = torch.randn(40, 5), torch.randn(40, 3)
    data = FREEDOM.graph_transform(k=4)(data)
    model = FREEDOM(30, 40, {"image": 5, "text": 3}, hidden_channels=8, dropout=0.5)
    loss, num_edges = FREEDOM.loss, set()

    def record(self: FREEDOM, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        pruned, whole = data[PRUNED].adjacency, data[INTERACTS].adjacency
        assert isinstance(pruned, SampledAdjacency) == (num_partitions > 1)
        assert ((pruned.to_dense() != 0) <= (whole.to_dense() != 0)).all()
        num_edges.add((pruned.col.numel(), whole.col.numel()))
        return loss(self, data, batch)

    monkeypatch.setattr(FREEDOM, "loss", record)
    trainer = Trainer(
        lr=0.05,
        batch_size=32,
        epochs=8,
        num_partitions=num_partitions,
        precision=precision,
        accelerator="cpu",
        progress=False,
    )
    history = trainer.fit(model, data).history
    assert history[-1]["loss"]["bpr"] < 0.8 * history[0]["loss"]["bpr"]
    assert all(0 < pruned < whole for pruned, whole in num_edges)
    assert PRUNED not in data.edge_types


def test_initial_values() -> None:
    model = FREEDOM(50, 40, {"image": 4, "text": 2}, hidden_channels=100)
    for size, embedding in [(50, model.user_embedding), (40, model.item_embedding)]:
        bound = (6 / (size + 100)) ** 0.5
        assert 0.99 * bound < embedding.weight.abs().max() <= bound
    assert model.features["image"].offset.weight.count_nonzero() == 0
    assert model.projections["text"].weight.size() == (100, 2)


def test_repr() -> None:
    lines = str(make_model({"image": 5})).splitlines()
    assert lines[0] == "FREEDOM("
    for line in [
        "  (propagation): LightPropagation(num_layers=2)",
        "    (image): FeatureProjection(5, 3)",
    ]:
        assert line in lines


def test_an_epoch_needs_the_graphs() -> None:
    with pytest.raises(ValueError, match="'graph_transform"):
        make_model().on_epoch_start(HeteroData())


test_wrong_arguments = wrong_arguments("FREEDOM")
test_contract = keeps_contract("freedom")
