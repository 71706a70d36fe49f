import math

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import MGCN
from soil_pyg.models.graphs import similar
from soil_pyg.models.mgcn import MGCNGraphs
from soil_pyg.typing import INTERACTS

NUM_USERS, NUM_ITEMS = 4, 7
SIZES = {"image": 5, "text": 3}


def make_data() -> HeteroData:
    """Random features with some negative similarities; item 5 lacks the first modality."""
    rng = np.random.default_rng(0)
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in SIZES.items():
        x = rng.standard_normal((NUM_ITEMS, size)) + 0.8
        x[[5] if modality == "image" else []] = 0
        data["item"][f"x_{modality}"] = torch.from_numpy(x)
    data[INTERACTS].edge_index = torch.tensor([[0, 0, 1, 2, 3], [0, 6, 6, 2, 5]])
    return data


def neighbours(x: np.ndarray, k: int, negative: str) -> np.ndarray:
    """Returns the graph of the nearest items, row by row."""
    out = np.zeros((NUM_ITEMS, NUM_ITEMS))
    has = [i for i in range(NUM_ITEMS) if np.linalg.norm(x[i]) > 0]
    for i in has:
        cosine = {j: x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j]) for j in has}
        for j in sorted(has, key=lambda j: -cosine[j])[:k]:
            if negative == "keep" or cosine[j] > 0:
                out[i, j] = cosine[j]
    return out


@pytest.mark.parametrize("negative", ["drop", "keep"])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_item_graphs(k: int, negative: str) -> None:
    data = MGCN.graph_transform(k=k, negative=negative)(make_data())
    lowest = []
    for modality in SIZES:
        weight = neighbours(data["item"][f"x_{modality}"].numpy(), k, negative)
        lowest.append(weight.min())
        degree = weight.sum(1)
        for i, j in zip(*np.nonzero(weight), strict=True):
            weight[i, j] /= math.sqrt(degree[i] * degree[j])
        np.testing.assert_allclose(data[similar(modality)].adjacency.to_dense(), weight, atol=1e-6)
    if k == 20:
        assert (min(lowest) < 0) == (negative == "keep")


def test_user_item_graph() -> None:
    adj = MGCN.graph_transform()(make_data())[INTERACTS].adjacency.to_dense()
    expected = torch.zeros(NUM_ITEMS, NUM_USERS)
    half = math.sqrt(0.5)
    expected[0, 0] = expected[6, 1] = half
    expected[6, 0] = 0.5
    expected[2, 2] = expected[5, 3] = 1
    torch.testing.assert_close(adj, expected)


def test_some_modalities() -> None:
    data = MGCN.graph_transform(modalities=["text"])(make_data())
    assert data.edge_types == [INTERACTS, similar("text")]


def test_repr() -> None:
    assert str(MGCNGraphs(k=5)) == "MGCNGraphs(SimilarityGraph(k=5, negative='drop'))"


def test_options_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"'k'.*\(got 0\)"):
        MGCN.graph_transform(k=0)
    with pytest.raises(ValueError, match=r"'negative'.*\(got 'x'\)"):
        MGCN.graph_transform(negative="x")
    with pytest.raises(ValueError, match=r"'modalities'.*'audio'.*"):
        MGCN.graph_transform(modalities=["audio"])(make_data())


test_wrong_arguments = wrong_arguments("MGCNGraphs")
