import json
from collections.abc import Callable

import torch

from golden_model import Golden, assert_close, batch_of, make, published_graph
from soil_pyg.models.damrs_graphs import BEHAVIOUR, consistent
from soil_pyg.typing import INTERACTS


def test_graphs(golden: Callable[[str], Golden]) -> None:
    values = golden("damrs")
    _, data = make("damrs", golden)
    num_users = data["user"].num_nodes
    published = published_graph(values, "norm_adj")[num_users:, :num_users]
    assert_close(data[INTERACTS].adjacency.to_dense(), published)
    for edge_type, key in [
        *[(consistent("image"), "image_adj"), (consistent("text"), "text_adj")],
        (BEHAVIOUR, "session_adj"),
    ]:
        assert_close(data[edge_type].adjacency.to_dense(), published_graph(values, key))


def test_loss_terms(golden: Callable[[str], Golden]) -> None:
    values = golden("damrs")
    weights = json.loads(str(values["hyperparameters"]))
    model, data = make("damrs", golden)
    terms = model.loss(data, batch_of(values, 0))
    for ours, theirs, weight in [
        *[("bpr", "bpr", 1.0), ("kl", "kl", weights["kl_weight"])],
        ("neighbour", "neighbor", weights["neighbor_weight"]),
    ]:
        assert_close(terms[ours].detach(), weight * torch.as_tensor(values[f"loss/{theirs}"]))
