import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from model_cases import keeps_contract
from torch import Tensor
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import PGL, LightGCN
from soil_pyg.models.freedom import ITEM_ITEM
from soil_pyg.models.newcomers import nearest_known
from soil_pyg.models.pgl_graphs import CUT, PRINCIPAL, PGLGraphs
from soil_pyg.models.pruned_interactions import PRUNED
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets

NUM_USERS, NUM_ITEMS, CHANNELS = 11, 9, 3
SIZES = {"image": 5, "text": 3, "audio": 4}
BATCH = Triplets(torch.tensor([4, 0, 4, 8]), torch.tensor([1, 7, 1, 4]), torch.tensor([3, 2, 0, 5]))
Matrix = np.ndarray


def make_data(num_modalities: int = 3, **graphs: Any) -> HeteroData:
    """Random data in double precision; item 5 has no modality, and item 6 and user 3 have no
    interaction.
    """
    rng = np.random.default_rng(0)
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in list(SIZES.items())[:num_modalities]:
        x = rng.standard_normal((NUM_ITEMS, size))
        x[5] = 0
        data[ITEM][f"x_{modality}"] = torch.from_numpy(x)
    interactions = rng.random((NUM_USERS, NUM_ITEMS)) < 0.35
    interactions[:, 6] = False
    interactions[3] = False
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    return PGL.graph_transform(**{"k": 3, **graphs})(data)


def make_model(num_modalities: int = 3, **options: Any) -> PGL:
    torch.manual_seed(0)
    sizes = dict(list(SIZES.items())[:num_modalities])
    model = PGL(NUM_USERS, NUM_ITEMS, sizes, hidden_channels=CHANNELS, **options).double()
    with torch.no_grad():
        for features in model.features.values():
            features.offset.weight.normal_()
    return model


def block_of(edge_index: Tensor) -> Matrix:
    """Returns the normalised matrix of users and items."""
    out = np.zeros((NUM_USERS, NUM_ITEMS))
    out[edge_index[0], edge_index[1]] = 1
    for user, item in edge_index.t().tolist():
        out[user, item] = 1 / math.sqrt(
            (edge_index[0] == user).sum() * (edge_index[1] == item).sum()
        )
    return out


class Dense:
    """The model with dense matrices, given the one of users and items."""

    def __init__(self, model: PGL, data: HeteroData, block: Matrix) -> None:
        self.options = options = model.options
        weight = {name: p.detach().numpy() for name, p in model.named_parameters()}
        users, items = [], []
        for m in options["in_channels"]:
            x = data[ITEM][f"x_{m}"].numpy() + weight[f"features.{m}.offset.weight"]
            x = x @ weight[f"projections.{m}.weight"].T + weight[f"projections.{m}.bias"]
            items.append(x / np.linalg.norm(x, axis=1, keepdims=True))
            users.append(weight[f"users.{m}.weight"])
        y = np.concatenate(items, axis=1)
        layers = [(np.concatenate(users, axis=1), y)]
        for _ in range(options["num_layers"]):
            layers.append((block @ layers[-1][1], block.T @ layers[-1][0]))
        self.user, self.item = (sum(side) / len(layers) for side in zip(*layers, strict=True))
        for _ in range(options["num_item_layers"]):
            y = data[ITEM_ITEM].adjacency.to_dense().numpy() @ y
        self.item = self.item + y

    def loss(self, batch: Triplets) -> dict[str, float]:
        u, i, j = (part.tolist() for part in batch)
        margins = [self.user[a] @ (self.item[b] - self.item[c]) for a, b, c in zip(u, i, j)]  # noqa: B905
        contrast = self.nce(self.user[u]) + self.nce(self.item[i])
        return {
            "bpr": sum(math.log(1 + math.exp(-margin)) for margin in margins) / len(u),
            "contrast": self.options["reg"] * contrast / 2,
        }

    def nce(self, x: Matrix) -> float:
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        ratio = np.exp(x @ x.T / self.options["tau"])
        return -float(np.log(np.diag(ratio) / ratio.sum(1)).mean())


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize(("num_layers", "num_item_layers"), [(2, 1), (0, 0)])
@pytest.mark.parametrize("mode", ["local", "global"])
def test_equals_the_dense_model(
    num_modalities: int, num_layers: int, num_item_layers: int, mode: str
) -> None:
    data = make_data(num_modalities, mode=mode, rank=16)
    options = {"num_layers": num_layers, "num_item_layers": num_item_layers, "mode": mode}
    model = make_model(num_modalities, **options, keep=0.5, dropout=0.0, reg=0.7, tau=0.3)
    model.on_epoch_start(data)
    assert (PRUNED in data.edge_types) == (mode == "local")
    whole = Dense(model, data, block_of(data[INTERACTS].edge_index))
    if mode == "local":
        principal = block_of(data[PRUNED].edge_index)
    else:
        principal = data[PRINCIPAL].adjacency.t().to_dense().numpy()
    with torch.no_grad():
        user_emb, item_emb = model(data)
        losses = [model.train(training).loss(data, BATCH) for training in (True, False)]
    np.testing.assert_allclose(user_emb, whole.user, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(item_emb, whole.item, rtol=1e-5, atol=1e-7)
    for terms, dense in zip(losses, (Dense(model, data, principal), whole), strict=True):
        found = {name: term.item() for name, term in terms.items()}
        assert found == pytest.approx(dense.loss(BATCH), rel=1e-5)


@pytest.mark.parametrize("rank", [8, 16, 64])
def test_global_principal_graph(rank: int) -> None:
    """The oracle has the singular triples of the whole matrix of nodes."""
    block = block_of(make_data()[INTERACTS].edge_index)
    matrix = np.zeros((NUM_USERS + NUM_ITEMS,) * 2)
    matrix[:NUM_USERS, NUM_USERS:], matrix[NUM_USERS:, :NUM_USERS] = block, block.T
    left, value, right = np.linalg.svd(matrix)
    # Cut at twice the number of items, to the next rank for which the sum is unique.
    rank = min(rank, 18)
    half = rank // 4
    expected = sum(
        value[r] * value[rank - half + r] * np.outer(left[:, r], right[r]) for r in range(half)
    )
    expected[abs(expected) < CUT] = 0
    ours = make_data(mode="global", rank=rank, memory_budget=1)[PRINCIPAL].adjacency
    found = ours.to_dense().numpy()
    np.testing.assert_allclose(found, expected[NUM_USERS:, :NUM_USERS], atol=1e-7)
    assert len(ours.col) == (found != 0).sum()


@pytest.mark.parametrize("rank", [7, 9, 12])
def test_ranks_without_a_unique_sum(rank: int) -> None:
    with pytest.raises(ValueError, match=rf"'rank'.*\(got {rank}\)"):
        PGLGraphs(rank=rank)


def test_every_epoch_draws_its_share() -> None:
    data, model = make_data(), make_model(keep=0.45)
    count = data[INTERACTS].edge_index.size(1)
    draws = []
    for _ in range(4):
        model.on_epoch_start(data)
        draws.append(data[PRUNED].edge_index.tolist())
        assert len(draws[-1][0]) == int(0.45 * count)
    assert any(draw != draws[0] for draw in draws)


def test_dropout_of_the_contrast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that occurs twice in a batch loses other entries each time."""
    data, model = make_data(1), make_model(1, dropout=0.5, reg=1.0)
    seen: list[Tensor] = []

    def record(x: Tensor, share: float, training: bool) -> Tensor:
        seen.append(x)
        assert (share, training) == (0.5, model.training)
        return x

    monkeypatch.setattr(F, "dropout", record)
    model.loss(data, BATCH)
    assert [len(x) for x in seen] == [4] * 4
    model.eval().loss(data, BATCH)


def test_graphs_must_have_the_same_mode() -> None:
    with pytest.raises(ValueError, match=r"principal.*'graph_transform"):
        make_model(mode="global").loss(make_data(), BATCH)


def test_new_items_have_their_own_features() -> None:
    data, model = make_data(2), make_model(2)
    with torch.no_grad():
        _, item_emb = model(data)
        known = model.tables(data)[1]
        features = {m: data[ITEM][f"x_{m}"][:2] + 0.1 for m in ("image", "text")}
        near = nearest_known(data, features, k=2)
        found = model.embed_new_items(data, PGL.graph_transform, item_emb, features, near)
    for new in range(2):
        parts, means = [], []
        for m, x in features.items():
            y = model.projections[m](x[new])
            parts.append(y / y.norm())
            weight = near[m].to_dense()[new].double()
            means.append((weight / weight.sum()) @ (item_emb - known / 3))
        expected = torch.cat(parts) / 3 + (means[0] + means[1]) / 2
        torch.testing.assert_close(found[new], expected.detach(), rtol=1e-5, atol=1e-7)


def test_new_users_are_folded_in_as_by_lightgcn() -> None:
    data, model = make_data(), make_model()
    other = LightGCN(NUM_USERS, NUM_ITEMS, hidden_channels=9).double()
    with torch.no_grad():
        for table, x in zip(other.tables, model.tables(data), strict=True):
            table.copy_(x)
        new = torch.tensor([[0, 0, 1], [2, 6, 3]]), 2
        users = [
            kind.embed_new_users(data, type(kind).graph_transform, kind(data)[1], *new)
            for kind in (model, other)
        ]
    torch.testing.assert_close(*users)


def test_tables_of_users() -> None:
    names = make_model().node_parameters()
    assert {name for name, kind in names.items() if kind == USER} == {
        f"users.{modality}.weight" for modality in SIZES
    }


def test_tables_start_xavier_uniform() -> None:
    model = PGL(300, NUM_ITEMS, SIZES, hidden_channels=200)
    bound = math.sqrt(6 / 500)
    for table in model.users.values():
        largest = table.weight.abs().max().item()
        assert 0.99 * bound < largest <= bound


test_wrong_arguments = wrong_arguments("PGL", "PGLGraphs")
test_contract = keeps_contract("pgl", "pgl_global")
