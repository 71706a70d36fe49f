import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models.freedom import ITEM_ITEM, FREEDOMGraphs
from soil_pyg.typing import INTERACTS, ITEM, USER

NUM_USERS, NUM_ITEMS, K = 6, 9, 3
SIZES = {"image": 5, "text": 3, "audio": 4}
Matrix = np.ndarray


def make_data() -> HeteroData:
    """Item 5 has no modality, item 2 lacks the first."""
    generator = torch.Generator().manual_seed(0)
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in SIZES.items():
        x = torch.randn(NUM_ITEMS, size, generator=generator)
        x[[5, 2] if modality == "image" else [5]] = 0
        data[ITEM][f"x_{modality}"] = x
    data[INTERACTS].edge_index = torch.tensor([[0, 0, 1, 2, 4], [0, 1, 1, 3, 8]])
    return data


def nearest(data: HeteroData, modality: str) -> Matrix:
    """One k-th for each of the k nearest: all row sums are k."""
    x = data[ITEM][f"x_{modality}"].double().numpy()
    has = np.flatnonzero(np.abs(x).sum(1)).tolist()
    out = np.zeros((NUM_ITEMS, NUM_ITEMS))
    for i in has:
        cosine = {j: x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j]) for j in has}
        out[i, sorted(cosine, key=lambda j: (-cosine[j], j))[:K]] = 1 / K
    return out


@pytest.mark.parametrize(
    ("modalities", "shares"),
    [
        (None, {"image": 0.2, "text": 0.4, "audio": 0.4}),
        (["image", "text"], {"image": 0.2, "text": 0.8}),
        (["text", "image"], {"text": 0.2, "image": 0.8}),
        (["audio"], {"audio": 1.0}),
    ],
)
def test_the_first_modality_has_its_weight_and_the_others_share_the_rest(
    modalities: list[str] | None, shares: dict[str, float]
) -> None:
    data = FREEDOMGraphs(K, modalities, first_weight=0.2)(make_data())
    expected = sum(share * nearest(data, modality) for modality, share in shares.items())
    np.testing.assert_allclose(data[ITEM_ITEM].adjacency.to_dense(), expected, rtol=1e-6)


def test_interactions_are_normalised() -> None:
    data = FREEDOMGraphs(K)(make_data())
    expected = torch.zeros(NUM_ITEMS, NUM_USERS)
    expected[0, 0] = expected[1, 1] = 0.5**0.5
    expected[1, 0], expected[3, 2], expected[8, 4] = 0.5, 1.0, 1.0
    torch.testing.assert_close(data[INTERACTS].adjacency.to_dense(), expected)


def test_negative_similarities_link_items_too() -> None:
    data = make_data()
    data[ITEM].x_image = torch.tensor([[1.0], [-1.0]]).repeat(5, 1)[:NUM_ITEMS]
    data = FREEDOMGraphs(NUM_ITEMS, ["image"])(data)
    dense = data[ITEM_ITEM].adjacency.to_dense()
    torch.testing.assert_close(dense, torch.full((NUM_ITEMS, NUM_ITEMS), 1 / NUM_ITEMS))


def test_repr_and_errors() -> None:
    assert str(FREEDOMGraphs(5)) == "FREEDOMGraphs(k=5, first_weight=0.1)"
    with pytest.raises(ValueError, match=r"'first_weight'.*\(got 2\)"):
        FREEDOMGraphs(first_weight=2)
    with pytest.raises(ValueError, match=r"'k'.*\(got 0\)"):
        FREEDOMGraphs(k=0)
    with pytest.raises(ValueError, match=r"'modalities'.*'x'.*\['image'"):
        FREEDOMGraphs(modalities=["x"])(make_data())


test_wrong_arguments = wrong_arguments("FREEDOMGraphs")
