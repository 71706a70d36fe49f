import json
from collections.abc import Callable

import torch

from golden_model import Golden, assert_close, batch_of, make, published_graph
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, item_item
from soil_pyg.typing import SECOND_ORDER


def test_soil_graphs(golden: Callable[[str], Golden]) -> None:
    values = golden("soil")
    _, data = make("soil", golden)
    num_users = data["user"].num_nodes
    second_order = torch.zeros(num_users, data["item"].num_nodes)
    user, item = data[SECOND_ORDER].edge_index
    second_order[user, item] = data[SECOND_ORDER].norm_weight
    published = published_graph(values, "mm_attractive_adj")
    assert_close(second_order, published[:num_users, num_users:])
    assert_close(second_order.t(), published[num_users:, :num_users])
    second_order[user, item] = data[SECOND_ORDER].aggregation_weight
    assert_close(second_order, published_graph(values, "mm_attractive_adj_R"))
    published = published_graph(values, "norm_adj")
    assert_close(data[USER_ITEM].adjacency.to_dense(), published[num_users:, :num_users])
    assert_close(data[AGGREGATION].adjacency.t().to_dense(), published_graph(values, "R"))
    for modality in ("image", "text"):
        published = published_graph(values, f"{modality}_interest_adj")
        assert_close(data[item_item(modality)].adjacency.to_dense(), published)


def test_soil_views_and_loss_terms(golden: Callable[[str], Golden]) -> None:
    values = golden("soil")
    options = json.loads(str(values["hyperparameters"]))
    model, data = make("soil", golden)
    with torch.no_grad():
        views = model.views(data)
        user_emb, item_emb = model(data)
        terms = model.loss(data, batch_of(values, 0))
    assert_close(torch.cat(views["content"]), values["content"])
    assert_close(torch.cat(views["side"]), values["side"])
    assert_close(user_emb, values["user_emb"])
    assert_close(item_emb, values["item_emb"])
    assert_close(terms["bpr"], values["loss/bpr"])
    assert_close(terms["item_item"], options["cl_loss"] * values["loss/item_item"])
    assert_close(terms["user_item"], options["cl_loss2"] * values["loss/user_item"])
