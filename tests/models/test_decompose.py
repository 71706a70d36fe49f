import pytest
import torch
from torch import Tensor
from torch.nn import Linear
from torch_geometric.data import HeteroData

from soil_pyg.models.decompose import (
    Decomposition,
    FirstHops,
    attention,
    double_copy,
    double_features,
)
from soil_pyg.nn import LightPropagation
from soil_pyg.ops.adjacency import Adjacency
from soil_pyg.typing import INTERACTS, SECOND_ORDER

GRAPH = ("user", "graph", "item")
ITEMS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]], dtype=torch.float64)


def make_data() -> HeteroData:
    """User 0 has items 0 and 1; item 1 and item 2 are second-order items."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 2, 3
    data[INTERACTS].edge_index = torch.tensor([[0, 0, 1], [1, 0, 2]])
    data[INTERACTS].norm_weight = torch.tensor([0.5, 0.25, 1.0])
    data[SECOND_ORDER].edge_index = torch.tensor([[0, 0], [2, 1]])
    edge_index = torch.tensor([[0, 0, 0, 1], [0, 1, 2, 2]])
    weight = torch.tensor([0.25, 0.75, 0.125, 1.0])
    data[GRAPH].adjacency = Adjacency.from_edge_index(edge_index, weight, (2, 3))
    return data


def edges_of(hops: FirstHops, user: int) -> dict[str, dict[int, float]]:
    found = {}
    for kind, item, weight in hops.of_user(user):
        found[kind] = dict(zip(item.tolist(), weight.flatten().tolist(), strict=True))
    return found


@pytest.mark.parametrize(
    ("attr", "second_order", "expected"),
    [
        ("norm_weight", False, {"interaction": {0: 0.25, 1: 0.75}, "second_order": {}}),
        (
            "norm_weight",
            True,
            {"interaction": {0: 0.25, 1: 0.5}, "second_order": {1: 0.25, 2: 0.125}},
        ),
        (None, True, {"interaction": {0: 0.25, 1: 1.0}, "second_order": {1: -0.25, 2: 0.125}}),
    ],
)
def test_edges_by_kind(
    attr: str | None, second_order: bool, expected: dict[str, dict[int, float]]
) -> None:
    data = make_data()
    hops = FirstHops(data, GRAPH, attr, data[SECOND_ORDER] if second_order else None)
    assert edges_of(hops, 0) == expected
    assert hops.gather(0, ITEMS).tolist() == [0.25 + 0.25, 0.75 + 0.25]


def test_split_of_a_propagation_adds_up() -> None:
    data = make_data()
    hops, propagation = FirstHops(data, GRAPH), LightPropagation(3)
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64), ITEMS
    own, sent = hops.split(propagation, x)
    expected = propagation(x, data[GRAPH].adjacency)[0]
    for user in (0, 1):
        torch.testing.assert_close(own[user] + hops.gather(user, sent), expected[user])


def test_summands() -> None:
    def shares(content: Tensor, views: list[Tensor]) -> list[Tensor | float]:
        return [0.5, content]

    data = make_data()
    hops = FirstHops(data, GRAPH, second_order=data[SECOND_ORDER])
    content = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    views = {"image": ITEMS, "text": 10 * ITEMS}
    found = Decomposition((content, ITEMS), content / 2, hops, 3 * ITEMS, views, hops, shares)
    parts = {(p.kind, p.modality): (p.item.tolist(), p.vector.tolist()) for p in found.of_user(0)}
    assert parts == {
        ("own", "content"): ([-1], [[0.5, 1.0]]),
        ("interaction", "content"): ([0, 1], [[0.75, 0.0], [0.0, 1.5]]),
        ("second_order", "content"): ([1, 2], [[0.0, 0.75], [0.75, 0.75]]),
        ("interaction", "image"): ([0, 1], [[0.125, 0.0], [0.0, 0.25]]),
        ("second_order", "image"): ([1, 2], [[0.0, 0.125], [0.125, 0.125]]),
        ("interaction", "text"): ([0, 1], [[2.5, 0.0], [0.0, 10.0]]),
        ("second_order", "text"): ([1, 2], [[0.0, 5.0], [2.5, 5.0]]),
    }
    of_item = {name: part.tolist() for name, part in found.of_item(2).items()}
    assert of_item == {"content": [2.0, 2.0], "image": [1.0, 1.0], "text": [40.0, 40.0]}


def test_embeddings_without_edges() -> None:
    found = Decomposition((ITEMS, ITEMS), own=ITEMS)
    (part,) = found.of_user(2)
    assert (part.kind, part.vector.tolist()) == ("own", [[2.0, 2.0]])
    assert list(found.of_item(1)) == ["content"]


def test_attention_is_a_softmax() -> None:
    project, query = Linear(2, 2).double(), Linear(2, 1, bias=False).double()
    views = list(ITEMS)
    scores = torch.stack([query(project(view).tanh())[0] for view in views])
    torch.testing.assert_close(attention(project, query, views), scores.softmax(dim=0))


def test_copies_in_double_precision() -> None:
    model = torch.nn.Sequential(Linear(2, 3), torch.nn.Dropout())
    copied = double_copy(model)
    assert (copied.training, model.training) == (False, True)
    assert copied[0].weight.dtype == torch.float64
    assert not copied[0].weight.requires_grad
    assert model[0].weight.requires_grad
    data = HeteroData()
    data["item"].x_image, data["item"].id = torch.ones(2, 1), torch.arange(2)
    copy = double_features(data)
    assert copy["item"].x_image.dtype == torch.float64
    assert (data["item"].x_image.dtype, copy["item"].id.dtype) == (torch.float32, torch.int64)
