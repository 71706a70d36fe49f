import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import MMGF
from soil_pyg.models.mmgf_graphs import FILTER
from soil_pyg.typing import INTERACTS, ITEM, Triplets

NUM_USERS, NUM_ITEMS = 12, 9


def make_data(seed: int) -> HeteroData:
    rng = np.random.default_rng(seed)
    interactions = rng.random((NUM_USERS, NUM_ITEMS)) < 0.35
    interactions[:, 4] = False
    interactions[3] = False
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = interactions.shape
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    for name, size in (("image", 5), ("text", 3)):
        x = torch.from_numpy(rng.random((NUM_ITEMS, size))).float()
        x[6] = 0
        data["item"][f"x_{name}"] = x
    return data


def largest(matrix: np.ndarray, k: int) -> np.ndarray:
    """Returns the largest entries of each row that are not zero, ties by the smaller column."""
    out = np.zeros_like(matrix)
    for i, row in enumerate(matrix):
        columns = [j for j in range(len(row)) if row[j] != 0]
        for j in sorted(columns, key=lambda j: (-row[j].round(9), j))[:k]:
            out[i, j] = row[j]
    return out


def naive_filter(data: HeteroData, options: dict[str, float]) -> np.ndarray:
    """Returns the filter by dense matrices."""
    defaults = {"k": 200, "k_modality": 10, "alpha": 0.9, "power": 0.5, "modality_weight": 0.05}
    o = defaults | {"quadratic": 0.0, "cubic": 0.0} | options
    r = np.zeros((NUM_USERS, NUM_ITEMS))
    r[tuple(data[INTERACTS].edge_index.numpy())] = 1
    normalised = np.zeros_like(r)
    for u, i in zip(*np.nonzero(r), strict=True):
        normalised[u, i] = r[u].sum() ** -o["alpha"] * r[:, i].sum() ** (o["alpha"] - 1)
    graphs = [(1.0, largest(normalised.T @ normalised, o["k"]))]
    for name in ("image", "text"):
        x = data["item"][f"x_{name}"].double().numpy()
        cosine = np.zeros((NUM_ITEMS, NUM_ITEMS))
        for i in range(NUM_ITEMS):
            for j in range(NUM_ITEMS):
                norm = np.linalg.norm(x[i]) * np.linalg.norm(x[j])
                cosine[i, j] = x[i] @ x[j] / norm if norm > 0 else 0
        graphs.append((o["modality_weight"], largest(cosine, o["k_modality"])))
    total = np.zeros((NUM_ITEMS, NUM_ITEMS))
    for scale, graph in graphs:
        p = graph ** o["power"]
        total += scale * (p + o["quadratic"] * p @ p + o["cubic"] * p @ p @ p)
    return largest(total, o["k"])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 3, "k_modality": 2},
        {"alpha": 0.4, "power": 1.5, "modality_weight": 0.0},
        {"quadratic": -0.5, "modality_weight": 2.0},
        {"k": 4, "quadratic": 0.1, "cubic": -0.01},
        {"cubic": 0.2},
    ],
)
@pytest.mark.parametrize("memory_budget", [2**30, 1])
def test_equals_the_dense_filter(seed: int, options: dict[str, float], memory_budget: int) -> None:
    data = make_data(seed)
    expected = naive_filter(data, options)
    data = MMGF.graph_transform(**options, memory_budget=memory_budget)(data)
    np.testing.assert_allclose(data[FILTER].adjacency.to_dense(), expected, atol=1e-5)
    user_emb, item_emb = MMGF(NUM_USERS, NUM_ITEMS, {"image": 5, "text": 3})(data)
    assert user_emb.is_sparse
    assert item_emb.is_sparse
    scores = torch.sparse.mm(user_emb, item_emb.t()).to_dense()
    interactions = user_emb.to_dense().double().numpy()
    np.testing.assert_allclose(scores, interactions @ expected.T, atol=1e-5)


def test_items_without_interactions_are_reached_by_their_features() -> None:
    data = MMGF.graph_transform()(make_data(0))
    sparse = MMGF(NUM_USERS, NUM_ITEMS, {"image": 5, "text": 3})(data)
    scores = torch.sparse.mm(sparse[0], sparse[1].t()).to_dense()
    assert scores[0, 4] > 0
    assert (scores[3] == 0).all()


def test_features_without_weight_are_not_searched() -> None:
    data = MMGF.graph_transform(modality_weight=0)(make_data(0))
    assert (ITEM, "image_similar", ITEM) not in data.edge_types


def test_nothing_is_trained() -> None:
    model = MMGF(2, 3, {"image": 1})
    assert str(model) == "MMGF()"
    empty = torch.empty(0, dtype=torch.long)
    assert model.loss(HeteroData(), Triplets(empty, empty, empty)) == {}


def test_repr() -> None:
    graphs = MMGF.graph_transform(k=7, power=0.7, modality_weight=0.1)
    assert str(graphs) == "MMGFGraphs(k=7, power=0.7, modality_weight=0.1)"


test_wrong_arguments = wrong_arguments("MMGF", "MMGFGraphs")
test_contract = keeps_contract("mmgf")
