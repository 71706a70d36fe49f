from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg import add_items, add_users, recommend
from soil_pyg.models.soil_graphs import item_item
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import INTERACTS, ITEM, SECOND_ORDER
from soil_pyg.workflow.run_data import run_transform

FeaturedData = Callable[..., HeteroData]
RandomRun = Callable[..., TrainedModel]
Matrix = np.ndarray

NEW = pd.DataFrame(
    {"user": [901, 900, 900, 900, 901], "item": [f"item {i}" for i in (24, 1, 7, 20, 5)]}
)
HISTORIES = [[1, 7, 20], [5, 24]]
"""Item 24 has no interactions in training."""


def attractiveness(data: HeteroData) -> Matrix:
    """The product of the similarities, over the modalities that both items have."""
    out, shared = np.ones((25, 25)), np.zeros((25, 25), dtype=bool)
    for modality in ("image", "text", "audio"):
        x = data[ITEM][f"x_{modality}"].double().numpy()
        norm = np.linalg.norm(x, axis=1)
        has = norm > 0
        x = x / np.where(has, norm, 1)[:, None]
        both = np.outer(has, has)
        out = np.where(both, out * (x @ x.T), out)
        shared |= both
    return np.where(shared, out, -np.inf)


def second_order(data: HeteroData, history: list[int], profile: str, k_a: int) -> dict[int, float]:
    """Second-order items of one user, from the definition, and their weights."""
    rows = attractiveness(data)[history]
    if profile == "paper":
        best = {j: rows[:, j].max() for j in range(25) if j not in history}
        chosen = sorted(best, key=lambda j: (-best[j], j))[:k_a]
        return {j: best[j] for j in chosen if best[j] > 0}
    entries = [
        (-rows[r, j], history[r] * 25 + j, j) for r in range(len(history)) for j in range(25)
    ]
    out: dict[int, float] = {}
    for value, _, j in sorted(entries)[: k_a + len(history)]:
        if -value > 0:
            out[j] = out.get(j, 0.0) - value
    return out


def extended_matrices(
    data: HeteroData, trained: TrainedModel, profile: str
) -> tuple[Matrix, Matrix]:
    """The user-item graph and the aggregation with the new users, as dense matrices."""
    settings = trained.settings
    first, second = np.zeros((32, 25)), np.zeros((32, 25))
    first[tuple(data[INTERACTS].edge_index.numpy())] = 1
    store = data[SECOND_ORDER]
    second[tuple(store.edge_index.numpy())] = store.edge_weight
    for user, history in enumerate(HISTORIES):
        first[30 + user, history] = 1
        for j, weight in second_order(data, history, profile, settings["k_a"]).items():
            second[30 + user, j] = weight

    def normalised(matrix: Matrix, min_weight: float = 0.0, by_user: bool = False) -> Matrix:
        users, items = matrix.sum(axis=1), matrix.sum(axis=0)
        left = np.where(users > 0, np.where(users > 0, users, 1) ** -0.5, 0)
        right = np.where(items > 0, np.where(items > 0, items, 1) ** -0.5, 0)
        right = left[:25] if by_user else right
        out = left[:, None] * matrix * right
        return np.where(matrix != 0, np.maximum(out, min_weight), 0)

    min_weight, scale = settings["min_weight"], settings["second_order_scale"]
    user_item = normalised(first) + scale * normalised(second, min_weight)
    if settings["aggregation"] == "sum":
        return user_item, first + second
    by_user = settings["aggregation"] == "sym_user_index"
    return user_item, normalised(first) + scale * normalised(second, min_weight, by_user)


def content_of_new(trained: TrainedModel, known: Matrix, extended: Matrix) -> Matrix:
    """Paths that leave the new users over the extended graph and go on over the known one."""
    model = trained.model
    user, item = (
        table.weight.detach().double().numpy()
        for table in (model.user_embedding, model.item_embedding)
    )
    num_layers = model.propagation.num_layers
    total = np.zeros_like(item)
    for _ in range(num_layers):
        total += item
        user, item = known @ item, known.T @ user
    return extended[30:] @ total / (num_layers + 1)


@pytest.mark.parametrize(
    ("profile", "options"),
    [
        ("paper", {}),
        ("released", {}),
        ("paper", {"num_layers": 3, "aggregation": "sym", "k_a": 3}),
        ("released", {"num_layers": 1, "num_item_layers": 2}),
    ],
)
def test_soil_equals_the_definition(
    featured_data: FeaturedData, random_run: RandomRun, profile: str, options: dict
) -> None:
    data = featured_data()
    trained = random_run(data, "soil", profile, **{"k": 3, "k_i": 2, **options})
    graphs = run_transform(trained)(data)
    larger = add_users(trained, data, NEW)
    user_item, aggregation = extended_matrices(graphs, trained, profile)
    known = graphs["user", "user_item", "item"].adjacency.to_dense().double().numpy().T
    content = content_of_new(trained, known, user_item)
    model, views = trained.model, []
    for m in model.in_channels:
        view = model.gates[m](graphs[ITEM][f"x_{m}"], model.item_embedding.weight).detach()
        for _ in range(model.num_item_layers):
            view = graphs[item_item(m)].adjacency.to_dense() @ view
        views.append(torch.from_numpy(aggregation[30:] @ view.double().numpy()).float())
    expected = content + model.fusion(views).detach().numpy()
    np.testing.assert_allclose(larger.user_emb[30:], expected, rtol=1e-4, atol=1e-5)


def test_soil_without_second_order_items(
    featured_data: FeaturedData, random_run: RandomRun
) -> None:
    data = featured_data()
    trained = random_run(data, "soil", "paper", k=3, k_i=2, second_order=False)
    larger = add_users(trained, data, NEW)
    first = np.zeros((32, 25))
    first[tuple(data[INTERACTS].edge_index.numpy())] = 1
    for user, history in enumerate(HISTORIES):
        first[30 + user, history] = 1
    views = trained.model.propagate(run_transform(trained)(data))[2]
    gathered = [torch.from_numpy(first[30:]).float() @ view for view in views]
    items = np.maximum(first.sum(axis=0), 1) ** -0.5
    extended = first.sum(axis=1)[:, None] ** -0.5 * first * items
    known = first[:30].sum(axis=1)[:, None] ** -0.5 * first[:30]
    known = known * np.maximum(first[:30].sum(axis=0), 1) ** -0.5
    expected = content_of_new(trained, known, extended)
    expected = expected + trained.model.fusion(gathered).detach().numpy()
    np.testing.assert_allclose(larger.user_emb[30:], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_lightgcn_is_folded_in(
    featured_data: FeaturedData, random_run: RandomRun, num_layers: int
) -> None:
    data = featured_data()
    trained = random_run(data, "lightgcn", num_layers=num_layers)
    larger = add_users(trained, run_transform(trained)(data), NEW)
    first = np.zeros((32, 25))
    first[tuple(data[INTERACTS].edge_index.numpy())] = 1
    for user, history in enumerate(HISTORIES):
        first[30 + user, history] = 1
    extended = first.sum(axis=1)[:, None] ** -0.5 * first * first.sum(axis=0).clip(1) ** -0.5
    known = first[:30].sum(axis=1)[:, None] ** -0.5 * first[:30]
    known = known * first[:30].sum(axis=0).clip(1) ** -0.5
    expected = content_of_new(trained, known, extended)
    np.testing.assert_allclose(larger.user_emb[30:], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spec", ["bpr", "vbpr", "mgcn", "freedom", "popularity"])
def test_other_models_take_the_mean_of_the_items(
    featured_data: FeaturedData, random_run: RandomRun, spec: str
) -> None:
    data = featured_data()
    trained = random_run(data, spec)
    larger = add_users(trained, data, NEW)
    for user, history in enumerate(HISTORIES):
        expected = trained.item_emb[history].mean(dim=0)
        torch.testing.assert_close(larger.user_emb[30 + user], expected)


def test_the_tables_are_larger_and_nothing_else_changes(
    featured_data: FeaturedData, random_run: RandomRun, tmp_path: Path
) -> None:
    data = featured_data()
    trained = random_run(data, "soil", k=3, k_i=2)
    larger = add_users(trained, data, NEW)
    assert larger.user_id.tolist() == [*trained.user_id.tolist(), 900, 901]
    assert larger.user_emb.dtype == torch.float32
    assert larger.user_emb[:30].equal(trained.user_emb)
    assert larger.item_emb is trained.item_emb
    assert len(trained.user_id) == 30
    assert trained.later_interactions is None
    NEW.rename(columns={"user": "who", "item": "what"}).to_csv(tmp_path / "new.csv", index=False)
    again = add_users(trained, data, tmp_path / "new.csv", "who", "what")
    assert again.user_emb.equal(larger.user_emb)
    repeated = add_users(trained, data, pd.concat([NEW, NEW]))
    assert repeated.user_emb.equal(larger.user_emb)


def test_what_new_users_have_is_not_recommended(
    featured_data: FeaturedData, random_run: RandomRun
) -> None:
    data = featured_data()
    trained = random_run(data, "bpr")
    larger = add_users(trained, data, NEW)
    third = pd.DataFrame({"user": ["zoe"], "item": ["item 0"]})
    larger = add_users(larger, data, third)
    features = {"text": np.ones((1, 4), "f4")}
    larger = add_items(larger, data, features, ["new"])
    frame = recommend(larger, users=[900, 901, "zoe"], k=26, data=data)
    seen = {"900": {1, 7, 20}, "901": {5, 24}, "zoe": {0}}
    for user, history in seen.items():
        rows = frame[frame["user"].astype(str) == user]
        expected = {f"item {i}" for i in range(25) if i not in history} | {"new"}
        assert set(rows["item"]) == expected
    later = pd.DataFrame({"user": ["bob"], "item": ["new"]})
    assert add_users(larger, data, later).user_emb[-1].equal(larger.item_emb[-1])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "'interactions'"),
        ([(900, "item 1"), (70, "item 1")], "'interactions', row 1.* user"),
        ([(900, "item 1"), (900, "beer")], "'interactions', row 1.* item"),
        ([(None, "item 1")], "'interactions', row 0: 'user'"),
    ],
)
def test_errors(
    featured_data: FeaturedData, random_run: RandomRun, rows: list, message: str
) -> None:
    data = featured_data()
    trained = random_run(data, "bpr")
    with pytest.raises(ValueError, match=message):
        add_users(trained, data, pd.DataFrame(rows, columns=["user", "item"]))


def test_columns_are_missing(featured_data: FeaturedData, random_run: RandomRun) -> None:
    data = featured_data()
    with pytest.raises(ValueError, match="'who'"):
        add_users(random_run(data, "bpr"), data, NEW, user_column="who")


def test_graphs_do_not_have_items_that_came_later(
    featured_data: FeaturedData, random_run: RandomRun
) -> None:
    data = featured_data()
    trained = random_run(data, "lightgcn")
    larger = add_items(trained, data, {"text": np.ones((1, 4), "f4")}, ["new"])
    later = pd.DataFrame({"user": ["bob"], "item": ["new"]})
    with pytest.raises(ValueError, match=r"'new'.*LightGCN"):
        add_users(larger, data, later)


def test_sparse_embeddings(featured_data: FeaturedData, random_run: RandomRun) -> None:
    data = featured_data()
    with pytest.raises(ValueError, match=r"ItemKNN.*'new_user_embedder'"):
        add_users(random_run(data, "itemknn"), data, NEW)
