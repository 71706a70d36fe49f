"""The graphs of the published implementations; those of SOIL are in ``test_soil.py``."""

from collections.abc import Callable

import pytest
import torch

from golden_model import Golden, assert_close, make, published_graph
from soil_pyg.models.freedom import ITEM_ITEM
from soil_pyg.models.graphs import UNWEIGHTED, similar
from soil_pyg.nn import MeanPropagation
from soil_pyg.typing import INTERACTS


@pytest.mark.parametrize(
    ("name", "key"),
    [
        *[("freedom", "norm_adj"), ("lgmrec", "norm_adj"), ("lightgcn", "norm_adj_matrix")],
        *[("layergcn", "norm_adj_matrix"), ("mgcn", "norm_adj"), ("slmrec", "norm_adj")],
    ],
)
def test_user_item_graph(name: str, key: str, golden: Callable[[str], Golden]) -> None:
    _, data = make(name, golden)
    num_users = data["user"].num_nodes
    published, ours = published_graph(golden(name), key), data[INTERACTS].adjacency
    assert_close(ours.to_dense(), published[num_users:, :num_users])
    assert_close(ours.t().to_dense(), published[:num_users, num_users:])


def test_freedom_item_item_graph(golden: Callable[[str], Golden]) -> None:
    _, data = make("freedom", golden)
    assert_close(data[ITEM_ITEM].adjacency.to_dense(), published_graph(golden("freedom"), "mm_adj"))


def test_mgcn_graphs(golden: Callable[[str], Golden]) -> None:
    values = golden("mgcn")
    _, data = make("mgcn", golden)
    assert_close(data[INTERACTS].adjacency.t().to_dense(), published_graph(values, "R"))
    for modality in ("image", "text"):
        published = published_graph(values, f"{modality}_original_adj")
        assert_close(data[similar(modality)].adjacency.to_dense(), published)


def test_lattice_user_item_operator(golden: Callable[[str], Golden]) -> None:
    _, data = make("lattice", golden)
    sizes = data["user"].num_nodes, data["item"].num_nodes
    identity = torch.eye(sum(sizes))
    # The mean of the identity and of one step.
    user, item = MeanPropagation(1)(identity.split(sizes), data[UNWEIGHTED].adjacency)
    ours = 2 * torch.cat([user, item]) - identity
    assert_close(ours, published_graph(golden("lattice"), "norm_adj"))
