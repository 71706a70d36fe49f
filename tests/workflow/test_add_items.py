from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg import add_items, recommend
from soil_pyg.models.soil_graphs import item_item
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import ITEM
from soil_pyg.workflow.run_data import run_transform

FeaturedData = Callable[..., HeteroData]
RandomRun = Callable[..., TrainedModel]
Matrix = np.ndarray


def new_features(count: int = 3) -> dict[str, Matrix]:
    """New items; the second lacks the first modality, and all lack the last."""
    rng = np.random.default_rng(5)
    features = {"image": rng.standard_normal((count, 5)), "text": rng.standard_normal((count, 4))}
    features["image"][1:2] = 0
    return {name: x.astype("f4") for name, x in features.items()}


def neighbours(known: Matrix, x: Matrix, k: int) -> list[tuple[int, float]]:
    """The nearest known items of one new item and their cosines, one by one."""
    found = []
    for j, row in enumerate(known.astype("f8")):
        if np.any(row) and np.any(x):
            cosine = float(row @ x / np.linalg.norm(row) / np.linalg.norm(x))
            found.append((j, cosine))
    best = sorted(found, key=lambda pair: (-pair[1], pair[0]))[:k]
    return [(j, cosine) for j, cosine in best if cosine > 0]


def mean(found: list[tuple[int, float]], x: Matrix) -> Matrix:
    total = sum(cosine for _, cosine in found)
    return sum(cosine / total * x[j] for j, cosine in found)


def soil_embedding(
    trained: TrainedModel, data: HeteroData, new: dict[str, Matrix], row: int
) -> Matrix:
    """The definition in the docstring with dense matrices, for one new item."""
    model, k = trained.model, trained.settings["k"]
    min_weight = trained.settings["min_weight"]
    weight = {name: p.detach().double().numpy() for name, p in model.named_parameters()}
    user, item = weight["user_embedding.weight"], weight["item_embedding.weight"]
    with torch.no_grad():
        content_of_known = model.propagate(data)[0][1].double().numpy()
    found = {
        m: neighbours(data[ITEM][f"x_{m}"].numpy(), new[m][row].astype("f8"), k)
        for m in model.in_channels
    }
    present = [m for m in found if found[m]]
    embedding = sum(mean(found[m], item) for m in present) / len(present)
    content = sum(mean(found[m], content_of_known) for m in present) / len(present)
    views = []
    for m in model.in_channels:

        def gate(x: Matrix, m: str = m) -> Matrix:
            prefix = f"gates.{m}"
            out = x @ weight[f"{prefix}.project.weight"].T + weight[f"{prefix}.project.bias"]
            if model.options["sigmoid_gate"]:
                out = out @ weight[f"{prefix}.gate.weight"].T + weight[f"{prefix}.gate.bias"]
                out = 1 / (1 + np.exp(-out))
            return out

        edges = data[ITEM, f"{m}_similar", ITEM]
        similarity = np.zeros((25, 25))
        similarity[edges.edge_index[1], edges.edge_index[0]] = edges.edge_weight
        degree = similarity.sum(axis=1)
        root = np.where(degree > 0, degree, 1) ** -0.5
        normalised = np.where(similarity > 0, root[:, None] * similarity * root, 0)
        normalised = np.where(similarity > 0, np.maximum(normalised, min_weight), 0)
        both = data[item_item(m)].adjacency.to_dense().double().numpy()
        near = found[m][: k - 1]
        own_degree = 1 + sum(cosine for _, cosine in near)
        known = item * gate(data[ITEM][f"x_{m}"].double().numpy())
        view = embedding * gate(new[m][row].astype("f8"))
        for _ in range(model.num_item_layers):
            after = np.zeros_like(view)
            if found[m]:
                after = view / own_degree
                for j, cosine in near:
                    share = max(cosine / np.sqrt(own_degree * degree[j]), min_weight)
                    after = after + share * known[j]
                after = after + mean(found[m], (both - normalised) @ known)
            view, known = after, both @ known
        views.append(view)
    fused = model.fusion([torch.from_numpy(view[None]).float() for view in views])
    assert user.shape == (30, 6)
    return content + fused.detach().numpy()[0]


CASES = {
    "paper": ("paper", {}),
    "released": ("released", {}),
    "deep": ("paper", {"num_item_layers": 2}),
    "gate": ("released", {"num_item_layers": 0}),
    "without interest": ("paper", {"interest": False}),
    "one neighbour": ("paper", {"k": 1}),
}


@pytest.mark.parametrize("case", list(CASES))
def test_soil_equals_the_definition(
    featured_data: FeaturedData, random_run: RandomRun, case: str
) -> None:
    data = featured_data()
    profile, options = CASES[case]
    trained = random_run(data, "soil", profile, **{"k": 4, "k_i": 2, **options})
    new = new_features()
    larger = add_items(trained, data, new, ["a", "b", "c"])
    new["audio"] = np.zeros((3, 3), "f4")
    graphs = run_transform(trained)(data)
    for row in range(3):
        expected = soil_embedding(trained, graphs, new, row)
        np.testing.assert_allclose(larger.item_emb[25 + row], expected, rtol=2e-4, atol=2e-5)


def test_the_tables_are_larger_and_nothing_else_changes(
    featured_data: FeaturedData, random_run: RandomRun
) -> None:
    data = featured_data()
    trained = random_run(data, "soil", k=3, k_i=2)
    before = {name: p.clone() for name, p in trained.model.state_dict().items()}
    larger = add_items(trained, data, new_features(), ["a", "b", "c"])
    assert larger.item_id.tolist() == [*trained.item_id.tolist(), "a", "b", "c"]
    assert larger.item_emb.size() == (28, 6)
    assert larger.item_emb.dtype == torch.float32
    assert larger.item_emb[:25].equal(trained.item_emb)
    # The index in the folder of the run lacks the new items.
    assert larger.folder is None
    assert larger.user_emb is trained.user_emb
    assert len(trained.item_id) == 25
    assert all(value.equal(before[name]) for name, value in trained.model.state_dict().items())
    prepared = run_transform(trained)(data)
    again = add_items(larger, prepared, new_features(1), [17])
    assert again.item_id[-1] == "17"
    alone = add_items(trained, prepared, new_features(1), [17])
    assert again.item_emb[-1].equal(alone.item_emb[-1])
    frame = recommend(larger, users=[70], k=28, data=data)
    assert {"a", "b", "c"} <= set(frame["item"])


def test_an_item_with_the_features_of_a_known_one_is_placed_there(
    featured_data: FeaturedData, random_run: RandomRun
) -> None:
    data = featured_data()
    trained = random_run(data, "lightgcn")
    trained.settings["k"] = 1
    features = {name: data[ITEM][f"x_{name}"][[7]] for name in ("image", "text", "audio")}
    larger = add_items(trained, data, features, ["copy"])
    torch.testing.assert_close(larger.item_emb[25], trained.item_emb[7])


@pytest.mark.parametrize("spec", ["lightgcn", "bpr", "vbpr", "freedom", "mgcn", "popularity"])
def test_other_models_take_the_mean_of_the_nearest(
    featured_data: FeaturedData, random_run: RandomRun, spec: str
) -> None:
    data = featured_data()
    trained = random_run(data, spec)
    k = trained.settings.get("k", 10)
    larger = add_items(trained, data, new_features(), ["a", "b", "c"])
    emb = trained.item_emb.double().numpy()
    for row in range(3):
        found = [
            neighbours(data[ITEM][f"x_{m}"].numpy(), x[row].astype("f8"), k)
            for m, x in new_features().items()
        ]
        found = [pairs for pairs in found if pairs]
        expected = sum(mean(pairs, emb) for pairs in found) / len(found)
        np.testing.assert_allclose(larger.item_emb[25 + row], expected, rtol=1e-5, atol=1e-6)
    again = add_items(larger, data, new_features(), ["d", "e", "f"])
    assert again.item_emb[28:].equal(larger.item_emb[25:])


@pytest.mark.parametrize(
    ("features", "ids", "message"),
    [
        ({}, [], "'ids'"),
        ({}, ["a", "item 3"], r"'ids', position 1.*\(got 'item 3'\)"),
        ({}, ["a", "b", "a"], r"'ids', position 2.*\(got 'a'\)"),
        ({}, ["a", None], "'ids', position 1"),
        ({"smell": np.ones((1, 2))}, ["a"], "'features'.*image, text, audio.*'smell'"),
        ({"text": np.ones((2, 4))}, ["a"], r"features\['text'\].* 1 rows.*\(got shape \(2, 4\)\)"),
        ({"text": np.ones((1, 3))}, ["a"], r"features\['text'\].* 4 col.*\(got shape \(1, 3\)\)"),
        ({"text": np.ones((1, 4), "U1")}, ["a"], r"features\['text'\]"),
        ({"text": np.full((1, 4), np.nan)}, ["a"], r"features\['text'\].*NaN.*'a'"),
        ({}, ["a"], "'features'.*'a'"),
    ],
)
def test_errors(
    featured_data: FeaturedData,
    random_run: RandomRun,
    features: dict[str, Any],
    ids: list[Any],
    message: str,
) -> None:
    data = featured_data()
    trained = random_run(data, "soil", k=3, k_i=2)
    with pytest.raises(ValueError, match=message):
        add_items(trained, data, features, ids)


def test_sparse_embeddings(featured_data: FeaturedData, random_run: RandomRun) -> None:
    data = featured_data()
    trained = random_run(data, "itemknn")
    with pytest.raises(ValueError, match=r"ItemKNN.*'embed_new_items'"):
        add_items(trained, data, new_features(), ["a", "b", "c"])


def test_other_data(featured_data: FeaturedData, random_run: RandomRun) -> None:
    trained = random_run(featured_data(), "bpr")
    with pytest.raises(ValueError, match=r"'data'.*got digest.*1.*expected.*0"):
        add_items(trained, featured_data(seed=1), new_features(), ["a", "b", "c"])
