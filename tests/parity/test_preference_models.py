"""The graphs and the loss terms of the models with preferences per modality."""

import json
from collections.abc import Callable

import pytest
import torch

from golden_model import Golden, assert_close, batch_of, make, published_graph
from soil_pyg.models.freedom import ITEM_ITEM
from soil_pyg.transforms import UserGraph
from soil_pyg.transforms.user_graph import PADDED, USER_USER, pad_by_copies
from soil_pyg.typing import INTERACTS

WITH_USER_GRAPH = ["cohesion", "dragon", "dualgnn"]
WEIGHTS = {"align": "align_weight", "mask_f": "mask_weight_f", "mask_g": "mask_weight_g"}


@pytest.mark.parametrize("name", WITH_USER_GRAPH)
def test_similar_users(name: str, golden: Callable[[str], Golden]) -> None:
    """Rows without copies are equal; the others hold the same users."""
    values = golden(name)
    user_k = json.loads(str(values["hyperparameters"]))["user_k"]
    data = UserGraph(user_k)(make(name, golden)[1])
    pad_by_copies(data)
    published = published_graph(values, "user_graph")
    count = (published > 0).sum(dim=1)
    is_whole = count == user_k
    for edge_type in (USER_USER, PADDED):
        ours = data[edge_type].adjacency.to_dense()
        assert_close(ours[is_whole], published[is_whole])
        # The weight of a user may be as small as nothing in single precision.
        assert (ours[published > 0] > 0).all()
        assert_close(ours.sum(dim=1), (count > 0).float())


@pytest.mark.parametrize("name", ["cohesion", "dragon", "mentor"])
def test_similar_items(name: str, golden: Callable[[str], Golden]) -> None:
    _, data = make(name, golden)
    assert_close(data[ITEM_ITEM].adjacency.to_dense(), published_graph(golden(name), "mm_adj"))


def test_user_item_graph(golden: Callable[[str], Golden]) -> None:
    _, data = make("cohesion", golden)
    num_users, published = data["user"].num_nodes, published_graph(golden("cohesion"), "norm_adj")
    ours = data[INTERACTS].adjacency.to_dense()
    assert_close(ours, published[num_users:, :num_users])
    assert_close(ours.t(), published[:num_users, num_users:])


@pytest.mark.parametrize("name", [*WITH_USER_GRAPH, "mentor"])
def test_loss_terms(name: str, golden: Callable[[str], Golden]) -> None:
    values = golden(name)
    options = json.loads(str(values["hyperparameters"]))
    weights = {"bpr": 1.0, "reg": options["reg_weight"]}
    weights |= {term: options[key] for term, key in WEIGHTS.items() if key in options}
    model, data = make(name, golden)
    with torch.no_grad():
        terms = model.loss(data, batch_of(values, 0))
    assert terms.keys() == weights.keys()
    for term, weight in weights.items():
        assert_close(terms[term], weight * values[f"loss/{term}"])
