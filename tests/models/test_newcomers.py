import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models.newcomers import (
    count_modalities,
    mean_of_items,
    mean_of_neighbours,
    messages,
    nearest_known,
    row_sums,
    to_mean,
)
from soil_pyg.nn import LightPropagation
from soil_pyg.ops.adjacency import Adjacency

IMAGE = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 3.0], [-1.0, 0.0]])
TEXT = torch.tensor([[1.0], [1.0], [0.0], [-1.0], [2.0]])
NEW = {
    "image": torch.tensor([[2.0, 0.0], [0.0, 0.0], [1.0, 1.0]]),
    "text": torch.tensor([[5.0], [0.0], [0.0]]),
}


def data() -> HeteroData:
    out = HeteroData()
    out["item"].x_image, out["item"].x_text = IMAGE, TEXT
    return out


def test_neighbours() -> None:
    found = nearest_known(data(), NEW, k=2)
    half = 2**-0.5
    image = torch.tensor([[1, 0, half, 0, 0], [0] * 5, [half, 0, 1, 0, 0]])
    torch.testing.assert_close(found["image"].to_dense(), image)
    # Ties go to the smaller id; what is not positive is no neighbour.
    assert found["text"].to_dense().tolist() == [[1, 1, 0, 0, 0], [0] * 5, [0] * 5]
    many = nearest_known(data(), {"text": NEW["text"]}, k=50)["text"]
    assert many.to_dense().tolist() == [[1, 1, 0, 0, 1], [0] * 5, [0] * 5]


def test_nobody_has_the_modality() -> None:
    empty = data()
    empty["item"].x_text = torch.zeros(5, 1)
    found = nearest_known(empty, NEW, k=2)
    assert found["text"].col.numel() == 0
    assert count_modalities(found).tolist() == [1, 0, 1]


def test_means() -> None:
    found = nearest_known(data(), NEW, k=2)
    assert count_modalities(found).tolist() == [2, 0, 1]
    torch.testing.assert_close(row_sums(to_mean(found["image"])), torch.tensor([1.0, 0.0, 1.0]))
    x = torch.tensor([[10.0], [20.0], [40.0], [80.0], [160.0]])
    half = 2**-0.5
    image = [(10 + 40 * half) / (1 + half), 0.0, (10 * half + 40) / (1 + half)]
    expected = torch.tensor([[(image[0] + 15) / 2], [0.0], [image[2]]])
    torch.testing.assert_close(mean_of_neighbours(found, x), expected)


def test_mean_of_items() -> None:
    item_emb = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])
    found = mean_of_items(item_emb, torch.tensor([[1, 0, 0], [1, 0, 2]]), 2)
    assert found.tolist() == [[3.0, 5.5], [3.0, 4.0]]


@pytest.mark.parametrize("num_layers", [0, 1, 2, 3])
def test_what_items_send_to_users(num_layers: int) -> None:
    edge_index = torch.tensor([[0, 0, 1, 2], [0, 2, 2, 1]])
    graph = Adjacency.from_edge_index(edge_index, torch.tensor([0.5, 2.0, 1.0, 0.25]), (3, 4))
    x = torch.rand(3, 2), torch.rand(4, 2)
    propagation = LightPropagation(num_layers)
    matrix, layers, total = graph.to_dense(), x, torch.zeros(4, 2)
    for _ in range(num_layers):
        total += layers[1]
        layers = matrix.t() @ layers[1], matrix @ layers[0]
    sent = messages(propagation, x, graph)
    torch.testing.assert_close(sent, total / (num_layers + 1))
    users = x[0] / (num_layers + 1) + matrix.t() @ sent
    torch.testing.assert_close(users, propagation(x, graph)[0])
