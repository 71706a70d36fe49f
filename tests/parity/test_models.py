"""The published implementations' graphs, scores, losses, gradients and ten Adam steps."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models import BPR, SOIL, LightGCN
from soil_pyg.models.base import Recommender
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, item_item
from soil_pyg.typing import INTERACTS, SECOND_ORDER, Triples

Golden = dict[str, np.ndarray]
TOLERANCE = 1e-5

PARAMETERS = {
    "bpr": {
        "user_embedding.weight": "user_embedding.weight",
        "item_embedding.weight": "item_embedding.weight",
    },
    "lightgcn": {
        "user_embedding.weight": "embedding_dict.user_emb",
        "item_embedding.weight": "embedding_dict.item_emb",
    },
    "soil": {
        "user_embedding.weight": "user_embedding.weight",
        "item_embedding.weight": "item_id_embedding.weight",
        "gates.image.project.weight": "image_trs.weight",
        "gates.image.project.bias": "image_trs.bias",
        "gates.image.gate.weight": "map_v.0.weight",
        "gates.image.gate.bias": "map_v.0.bias",
        "gates.text.project.weight": "text_trs.weight",
        "gates.text.project.bias": "text_trs.bias",
        "gates.text.gate.weight": "map_t.0.weight",
        "gates.text.gate.bias": "map_t.0.bias",
        "fusion.project.weight": "attention.0.weight",
        "fusion.project.bias": "attention.0.bias",
        "fusion.query.weight": "attention.2.weight",
    },
}


def _bpr(golden: Golden, sizes: dict) -> tuple[Recommender, dict]:
    options = json.loads(str(golden["hyperparameters"]))
    return BPR(**sizes, hidden_channels=options["embedding_size"], reg=options["reg_weight"]), {}


def _lightgcn(golden: Golden, sizes: dict) -> tuple[Recommender, dict]:
    options = json.loads(str(golden["hyperparameters"]))
    model = LightGCN(
        **sizes,
        hidden_channels=options["embedding_size"],
        num_layers=options["n_layers"],
        reg=options["reg_weight"],
    )
    return model, {}


def _soil(golden: Golden, sizes: dict) -> tuple[Recommender, dict]:
    options = json.loads(str(golden["hyperparameters"]))
    model = SOIL.released(
        **sizes,
        hidden_channels=options["embedding_size"],
        num_layers=options["n_ui_layers"],
        num_item_layers=options["n_layers"],
        l_ii=options["cl_loss"],
        l_ui=options["cl_loss2"],
    )
    graphs = {
        "profile": "released",
        "negative": "keep",
        "k": options["knn_k"],
        "k_i": options["knn_i"],
        "k_a": options["knn_a"],
    }
    return model, graphs


MAKERS: dict[str, Callable[[Golden, dict], tuple[Recommender, dict]]] = {
    "bpr": _bpr,
    "lightgcn": _lightgcn,
    "soil": _soil,
}
MODELS = pytest.mark.parametrize("name", list(MAKERS))


def published_graph(golden: Golden, name: str) -> Tensor:
    out = torch.zeros(*golden[f"graph/{name}/shape"].tolist())
    row, col = golden[f"graph/{name}/row"], golden[f"graph/{name}/col"]
    out[row, col] = torch.from_numpy(golden[f"graph/{name}/weight"])
    return out


def make(name: str, golden: Golden) -> tuple[Recommender, HeteroData]:
    published = PARAMETERS[name]
    data = HeteroData()
    data["user"].num_nodes = len(golden[f"param/{published['user_embedding.weight']}"])
    data["item"].num_nodes = len(golden[f"param/{published['item_embedding.weight']}"])
    data[INTERACTS].edge_index = torch.from_numpy(golden["train_edge_index"])
    in_channels = {}
    for key in golden:
        if key.endswith("_embedding.weight") and key.startswith(("param/image", "param/text")):
            modality = key.removeprefix("param/").removesuffix("_embedding.weight")
            data["item"][f"x_{modality}"] = torch.from_numpy(golden[key])
            in_channels[modality] = golden[key].shape[1]
    sizes = {
        "num_users": data["user"].num_nodes,
        "num_items": data["item"].num_nodes,
        "in_channels": in_channels,
    }
    model, graphs = MAKERS[name](golden, sizes)
    values = {ours: torch.from_numpy(golden[f"param/{p}"]) for ours, p in published.items()}
    model.load_state_dict(values, strict=True)
    return model, type(model).graphs(**graphs)(data)


def batch_of(golden: Golden, step: int) -> Triples:
    return Triples(*torch.from_numpy(golden["batches"][step]))


def scores_of(model: Recommender, data: HeteroData) -> Tensor:
    with torch.no_grad():
        user_emb, item_emb = model.eval()(data)
    return user_emb @ item_emb.t()


def assert_close(ours: Tensor, published: np.ndarray | Tensor) -> None:
    published = torch.as_tensor(published)
    torch.testing.assert_close(ours.to(published), published, atol=TOLERANCE, rtol=0)


@MODELS
def test_scores(name: str, golden: Callable[[str], Golden]) -> None:
    values = golden(name)
    assert_close(scores_of(*make(name, values)), values["scores"])


@MODELS
def test_loss_and_gradients(name: str, golden: Callable[[str], Golden]) -> None:
    values = golden(name)
    model, data = make(name, values)
    loss = sum(model.loss(data, batch_of(values, 0)).values())
    loss.backward()
    assert_close(loss.detach(), values["loss"])
    published = {ours: values[f"grad/{p}"] for ours, p in PARAMETERS[name].items()}
    largest = max(np.abs(grad).max() for grad in published.values())
    for key, parameter in model.named_parameters():
        error = np.abs(parameter.grad.numpy() - published[key]).max()
        assert error <= 1e-4 * largest, key


@MODELS
def test_ten_adam_steps(name: str, golden: Callable[[str], Golden]) -> None:
    values = golden(name)
    model, data = make(name, values)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    trace = []
    model.train()
    model.on_epoch_start(data)
    for step in range(len(values["batches"])):
        loss = sum(model.loss(data, batch_of(values, step)).values())
        trace.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert_close(torch.tensor(trace), values["loss_trace"])
    assert_close(scores_of(model, data), values["scores_after_10_steps"])


def test_lightgcn_graph(golden: Callable[[str], Golden]) -> None:
    values = golden("lightgcn")
    _, data = make("lightgcn", values)
    num_users = data["user"].num_nodes
    published = published_graph(values, "norm_adj_matrix")
    ours = data[INTERACTS].adj.to_dense()
    assert_close(ours, published[num_users:, :num_users])
    assert_close(ours.t(), published[:num_users, num_users:])


def test_soil_graphs(golden: Callable[[str], Golden]) -> None:
    values = golden("soil")
    _, data = make("soil", values)
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
    assert_close(data[USER_ITEM].adj.to_dense(), published[num_users:, :num_users])
    assert_close(data[AGGREGATION].adj.t().to_dense(), published_graph(values, "R"))
    for modality in ("image", "text"):
        published = published_graph(values, f"{modality}_interest_adj")
        assert_close(data[item_item(modality)].adj.to_dense(), published)


def test_soil_views_and_loss_terms(golden: Callable[[str], Golden]) -> None:
    values = golden("soil")
    options = json.loads(str(values["hyperparameters"]))
    model, data = make("soil", values)
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
