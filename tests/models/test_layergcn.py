from typing import Any

import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import LayerGCN
from soil_pyg.models.pruned_interactions import PRUNED
from soil_pyg.training.trainer import Trainer
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets

NUM_USERS, NUM_ITEMS = 6, 5
# User 3 and item 4 have no interactions.
PAIRS = [(0, 0), (0, 1), (0, 3), (1, 1), (2, 2), (2, 3), (4, 0), (5, 3), (5, 2), (1, 3)]
BATCH = Triplets(torch.tensor([5, 0, 5]), torch.tensor([3, 1, 3]), torch.tensor([0, 4, 1]))
Matrix = np.ndarray


def make_data() -> HeteroData:
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = NUM_USERS, NUM_ITEMS
    data[INTERACTS].edge_index = torch.tensor(PAIRS).t().contiguous()
    return LayerGCN.graph_transform()(data)


def make_model(**options: Any) -> LayerGCN:
    torch.manual_seed(0)
    return LayerGCN(NUM_USERS, NUM_ITEMS, hidden_channels=3, **options).double()


def cosine(x: Matrix, y: Matrix) -> float:
    norms = [max(float(np.linalg.norm(z)), 1e-8) for z in (x, y)]
    return float(x @ y) / norms[0] / norms[1]


def naive(model: LayerGCN, pairs: list[tuple[int, int]]) -> Matrix:
    """The final embeddings of users and items, one node at a time."""
    start = torch.cat([table.detach() for table in model.tables]).numpy()
    near: list[list[int]] = [[] for _ in start]
    for user, item in pairs:
        near[user].append(NUM_USERS + item)
        near[NUM_USERS + item].append(user)
    x, total = start, np.zeros_like(start)
    for _ in range(model.options["num_layers"]):
        y = np.zeros_like(x)
        for node, others in enumerate(near):
            for other in others:
                y[node] += x[other] / np.sqrt(len(others) * len(near[other]))
        x = np.stack([cosine(row, first) * row for row, first in zip(y, start, strict=True)])
        total += x
    return total


@pytest.mark.parametrize("num_layers", [1, 4])
@pytest.mark.parametrize("dropout", [0.0, 0.35])
def test_equals_the_definition(num_layers: int, dropout: float) -> None:
    data, model = make_data(), make_model(num_layers=num_layers, dropout=dropout, reg=0.3)
    model.on_epoch_start(data)
    whole = naive(model, PAIRS)
    np.testing.assert_allclose(torch.cat(model(data)).detach(), whole, rtol=1e-6, atol=1e-9)
    trained = whole
    if dropout:
        kept = [(int(user), int(item)) for user, item in data[PRUNED].edge_index.t()]
        assert len(kept) == 6
        trained = naive(model, kept)
    for training, emb in ((True, trained), (False, whole)):
        bpr = reg = 0.0
        for user, *items in zip(*(part.tolist() for part in BATCH), strict=True):
            positive, negative = (emb[user] @ emb[NUM_USERS + item] for item in items)
            bpr += np.log1p(np.exp(negative - positive))
            rows = [model.tables[0][user], *(model.tables[1][item] for item in items)]
            reg += 0.3 * sum(float(row.square().sum()) for row in rows) / 2
        terms = model.train(training).loss(data, BATCH)
        assert {name: term.item() for name, term in terms.items()} == pytest.approx(
            {"bpr": bpr, "reg": reg}, rel=1e-6
        )


def test_every_second_epoch_draws_uniformly() -> None:
    """The seed draws other interactions by degree than uniformly."""
    drawn = {}
    for prune in ("degree", "uniform", "alternate"):
        for epoch in (0, 1):
            data, model = make_data(), make_model(dropout=0.5, prune=prune)
            model.epoch = epoch
            torch.manual_seed(0)
            model.on_epoch_start(data)
            drawn[prune, epoch] = data[PRUNED].edge_index.tolist()
    assert drawn["alternate", 0] == drawn["degree", 0] == drawn["degree", 1]
    assert drawn["alternate", 1] == drawn["uniform", 0] == drawn["uniform", 1]
    assert drawn["degree", 0] != drawn["uniform", 0]


def test_the_trainer_counts_the_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    data, epochs = make_data(), []
    data[INTERACTS].val_edge_label_index = torch.tensor([[0, 1], [4, 4]])
    data[INTERACTS].test_edge_label_index = torch.tensor([[2, 4], [4, 4]])
    start = LayerGCN.on_epoch_start

    def record(model: LayerGCN, data: HeteroData) -> None:
        epochs.append(model.epoch)
        start(model, data)

    monkeypatch.setattr(LayerGCN, "on_epoch_start", record)
    Trainer(epochs=3, accelerator="cpu", progress=False).fit(make_model().float(), data)
    assert epochs == [0, 1, 2]


def test_new_users_are_folded_in() -> None:
    data, model, new = make_data(), make_model(num_layers=3), torch.tensor([[0, 0, 1], [1, 2, 3]])
    found = model.embed_new_users(data, LayerGCN.graph_transform, model(data)[1], new, 2)
    degree = np.bincount([item for _, item in PAIRS] + new[1].tolist(), minlength=NUM_ITEMS)
    states = model.propagation.layers(model.tables, data[INTERACTS].adjacency)
    for user, items in enumerate([[1, 2], [3]]):
        y = [
            sum(item[j].detach().numpy() / np.sqrt(len(items) * degree[j]) for j in items)
            for _, item in states[:-1]
        ]
        expected = sum(cosine(row, y[0]) * row for row in y)
        np.testing.assert_allclose(found[user].detach(), expected, rtol=1e-6)


test_wrong_arguments = wrong_arguments("LayerGCN")
test_contract = keeps_contract("layergcn")
