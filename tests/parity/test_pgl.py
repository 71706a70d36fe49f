import json
from collections.abc import Callable

import pytest
import torch

from golden_model import Golden, assert_close, batch_of, make, published_graph
from soil_pyg.models.freedom import ITEM_ITEM
from soil_pyg.models.pgl_graphs import PRINCIPAL
from soil_pyg.models.pruned_interactions import PRUNED
from soil_pyg.typing import INTERACTS

EACH = pytest.mark.parametrize("name", ["pgl", "pgl_global"])


@EACH
def test_graphs(name: str, golden: Callable[[str], Golden]) -> None:
    values = golden(name)
    _, data = make(name, golden)
    num_users = data["user"].num_nodes
    trained = {"pgl": PRUNED, "pgl_global": PRINCIPAL}[name]
    for edge_type, key in [(INTERACTS, "norm_adj"), (trained, "sub_graph")]:
        ours, published = data[edge_type].adjacency, published_graph(values, key)
        assert_close(ours.to_dense(), published[num_users:, :num_users])
        assert_close(ours.t().to_dense(), published[:num_users, num_users:])
        assert 2 * len(ours.col) == len(values[f"graph/{key}/row"])
    assert_close(data[ITEM_ITEM].adjacency.to_dense(), published_graph(values, "mm_adj"))


@EACH
def test_loss_terms(name: str, golden: Callable[[str], Golden]) -> None:
    values = golden(name)
    reg = json.loads(str(values["hyperparameters"]))["reg_weight"]
    model, data = make(name, golden)
    terms = model.loss(data, batch_of(values, 0))
    assert_close(terms["bpr"].detach(), values["loss/bpr"])
    assert_close(terms["contrast"].detach(), reg * torch.as_tensor(values["loss/cl"]))
