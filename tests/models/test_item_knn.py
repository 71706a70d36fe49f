import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import ItemKNN
from soil_pyg.typing import INTERACTS, Triplets

NUM_USERS, NUM_ITEMS = 12, 9


def make_interactions(seed: int) -> np.ndarray:
    interactions = np.random.default_rng(seed).random((NUM_USERS, NUM_ITEMS)) < 0.35
    interactions[:, 4] = False
    interactions[:, 7] = interactions[:, 2]
    return interactions


def make_data(interactions: np.ndarray, **options: float) -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = interactions.shape
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    return ItemKNN.graph_transform(**options)(data)


def naive_scores(interactions: np.ndarray, k: int, shrink: float) -> np.ndarray:
    count = interactions.sum(0)
    scores = np.zeros(interactions.shape)
    for i in range(NUM_ITEMS):
        similarity = np.zeros(NUM_ITEMS)
        for j in range(NUM_ITEMS):
            shared = (interactions[:, i] & interactions[:, j]).sum()
            if i != j and shared > 0:
                similarity[j] = shared / (np.sqrt(count[i] * count[j]) + shrink)
        nearest = sorted(range(NUM_ITEMS), key=lambda j: (-similarity[j].round(6), j))[:k]
        for u in range(NUM_USERS):
            scores[u, i] = sum(similarity[j] for j in nearest if interactions[u, j])
    return scores


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("k", "shrink"), [(1, 0.0), (3, 0.0), (3, 2.5), (50, 0.5)])
def test_equals_the_naive_scores(seed: int, k: int, shrink: float) -> None:
    interactions = make_interactions(seed)
    data = make_data(interactions, k=k, shrink=shrink)
    user_emb, item_emb = ItemKNN(NUM_USERS, NUM_ITEMS)(data)
    assert user_emb.is_sparse
    assert item_emb.is_sparse
    scores = torch.sparse.mm(user_emb, item_emb.t()).to_dense().numpy()
    np.testing.assert_allclose(scores, naive_scores(interactions, k, shrink), atol=1e-6)
    assert (scores[:, 4] == 0).all()


def test_nothing_is_trained() -> None:
    model = ItemKNN(2, 3)
    assert str(model) == "ItemKNN()"
    assert list(model.parameters()) == []
    empty = torch.empty(0, dtype=torch.long)
    assert model.loss(HeteroData(), Triplets(empty, empty, empty)) == {}


def test_graphs() -> None:
    graph, _ = ItemKNN.graph_transform(k=5, shrink=1.5).transforms
    assert str(graph) == "CoOccurrenceGraph(k=5, shrink=1.5)"


test_wrong_arguments = wrong_arguments("ItemKNN", "ItemKNN.graph_transform")
test_contract = keeps_contract("item_knn")
