import math
from typing import Any

import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import DAMRS, damrs
from soil_pyg.models.damrs_graphs import BEHAVIOUR, consistent
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets

NUM_USERS, NUM_ITEMS, CHANNELS, K = 11, 9, 3, 3
SIZES = {"image": 5, "text": 3, "audio": 4}
BATCH = Triplets(torch.tensor([4, 0, 4, 8]), torch.tensor([1, 7, 1, 4]), torch.tensor([3, 2, 0, 5]))
Matrix = np.ndarray


def make_data(num_modalities: int = 3, **graphs: Any) -> HeteroData:
    """Item 5 has no modality, and item 6 and user 3 have no interaction."""
    rng = np.random.default_rng(0)
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in list(SIZES.items())[:num_modalities]:
        x = rng.standard_normal((NUM_ITEMS, size))
        x[5] = 0
        data[ITEM][f"x_{modality}"] = torch.from_numpy(x)
    interactions = rng.random((NUM_USERS, NUM_ITEMS)) < 0.4
    interactions[:, 6] = False
    interactions[3] = False
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    return DAMRS.graph_transform(**{"k": K, **graphs})(data)


def make_model(num_modalities: int = 3, **options: Any) -> DAMRS:
    """A model in double precision whose embeddings are large enough for all cases of the loss."""
    torch.manual_seed(0)
    sizes = dict(list(SIZES.items())[:num_modalities])
    options = {"hidden_channels": CHANNELS, "num_neighbours": 2, **options}
    model = DAMRS(NUM_USERS, NUM_ITEMS, sizes, **options).double()
    with torch.no_grad():
        for table in model.tables:
            table *= 4
    return model


def interactions_of(data: HeteroData) -> Matrix:
    out = np.zeros((NUM_USERS, NUM_ITEMS))
    user, item = data[INTERACTS].edge_index
    out[user, item] = 1
    return out


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


class Dense:
    """The model with dense matrices and loops, given its graphs of items."""

    def __init__(self, model: DAMRS, data: HeteroData) -> None:
        options = self.options = model.options
        users, items = (table.detach().numpy() for table in model.tables)
        block = interactions_of(data)
        for u, i in zip(*np.nonzero(interactions_of(data)), strict=True):
            degrees = interactions_of(data)[u].sum() * interactions_of(data)[:, i].sum()
            block[u, i] = 1 / math.sqrt(degrees)
        layers = [(users, items)]
        for _ in range(options["num_layers"]):
            layers.append((block @ layers[-1][1], block.T @ layers[-1][0]))
        self.user, self.item = (sum(side) / len(layers) for side in zip(*layers, strict=True))
        self.views = []
        for edge_type in [*map(consistent, options["in_channels"]), BEHAVIOUR]:
            view = items
            for _ in range(options["num_item_layers"]):
                view = data[edge_type].adjacency.to_dense().double().numpy() @ view
            self.views.append(view)
        self.mean = sum(self.views) / len(self.views)

    def preferences(self, user: int, item: int) -> list[float]:
        units = [view[item] / max(np.linalg.norm(view[item]), 1e-12) for view in self.views]
        return [sigmoid(float(self.user[user] @ unit)) for unit in units]

    def bpr(self, batch: Triplets) -> float:
        triplets = list(zip(*(part.tolist() for part in batch), strict=True))
        bar = np.mean([self.preferences(u, j) for u, _, j in triplets])
        total = 0.0
        final = self.item + self.mean
        for u, i, j in triplets:
            r = self.preferences(u, i)
            mu, nu = np.mean(r), np.var(r, ddof=1)
            p, q = mu * math.exp(-2 * nu), max(0.0, max(r) - bar) if mu < bar else 0.0
            margin = float(self.user[u] @ (final[i] - final[j]))
            total -= p * math.log(sigmoid(margin)) + q * math.log(sigmoid(-margin))
        return total / len(triplets)

    def kl(self, batch: Triplets) -> float:
        users = sorted(set(batch.user.tolist()))
        items = sorted(set(batch.positive.tolist()) | set(batch.negative.tolist()))
        values = []
        for u in users:
            for i in items:
                g, c = (
                    sigmoid(float(self.user[u] @ (x[i] / max(np.linalg.norm(x[i]), 1e-12))))
                    for x in (self.item, self.mean)
                )
                values += [
                    p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
                    for p, q in [(g, c), (c, g)]
                ]
        return 2 * float(np.mean(values))


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize(("num_layers", "num_item_layers"), [(2, 1), (1, 2), (0, 0)])
def test_equals_the_dense_model(
    num_modalities: int, num_layers: int, num_item_layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(num_modalities)
    layers = {"num_layers": num_layers, "num_item_layers": num_item_layers}
    model = make_model(num_modalities, **layers, kl_weight=0.7, neighbour_weight=0.3)
    dense = Dense(model, data)
    with torch.no_grad():
        user_emb, item_emb = model(data)
    np.testing.assert_allclose(user_emb, dense.user, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(item_emb, dense.item + dense.mean, rtol=1e-5, atol=1e-7)
    views = [torch.from_numpy(view) for view in dense.views]
    expected = {
        "bpr": dense.bpr(BATCH),
        "kl": 0.7 * dense.kl(BATCH),
        "neighbour": 0.3 * model.neighbour_loss(views, torch.cat(BATCH[1:]).unique()).item(),
    }
    results = []
    for block_pairs in (damrs.BLOCK_PAIRS, 1):
        monkeypatch.setattr(damrs, "BLOCK_PAIRS", block_pairs)
        terms = model.loss(data, BATCH)
        assert {name: term.item() for name, term in terms.items()} == pytest.approx(
            expected, rel=1e-5
        )
        results.append(torch.autograd.grad(sum(terms.values()), list(model.parameters())))
    torch.testing.assert_close(*results)


def test_both_kinds_of_confidence_occur() -> None:
    data, model = make_data(), make_model()
    (user, _), views = model.propagate(data)
    users = torch.arange(NUM_USERS).repeat_interleave(NUM_ITEMS)
    items = torch.arange(NUM_ITEMS).repeat(NUM_USERS)
    right, wrong = model.confidence(user[users], views, Triplets(users, items, items.flip(0)))
    assert not right.requires_grad
    assert ((right > 0) & (right <= 1)).all()
    assert ((wrong >= 0) & (wrong <= 1)).all()
    assert wrong.count_nonzero() not in (0, len(wrong))


@pytest.mark.parametrize("item_graph_k", [1, 2, 20])
def test_behaviour_graph(item_graph_k: int) -> None:
    data = make_data(item_graph_k=item_graph_k)
    shared = interactions_of(data).T @ interactions_of(data)
    expected = np.eye(NUM_ITEMS)
    for i in range(NUM_ITEMS):
        others = [j for j in range(NUM_ITEMS) if j != i and shared[i, j] >= 2]
        expected[i, sorted(others, key=lambda j: (-shared[i, j], j))[:item_graph_k]] = 1
    degree = expected.sum(1)
    expected /= np.sqrt(np.outer(degree, degree))
    found = data[BEHAVIOUR].adjacency.to_dense()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert expected.trace() < NUM_ITEMS


def test_the_other_graphs_of_the_data_stay() -> None:
    edge_type = (ITEM, "co_occurrence", ITEM)
    assert edge_type not in make_data().edge_types


def test_terms_without_weight_are_left_out() -> None:
    model = make_model(kl_weight=0.0, neighbour_weight=0.0)
    assert list(model.loss(make_data(), BATCH)) == ["bpr"]


def test_repr() -> None:
    assert str(DAMRS.graph_transform(k=4)) == "DAMRSGraphs(k=4, item_graph_k=2)"


test_wrong_arguments = wrong_arguments("DAMRS", "DAMRSGraphs")
test_contract = keeps_contract("damrs")
