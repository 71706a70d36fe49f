import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models import Recommender
from soil_pyg.models.resolver import import_model
from soil_pyg.models.soil_graphs import AGGREGATION, USER_ITEM, item_item
from soil_pyg.ranking.evaluator import Evaluator
from soil_pyg.reports.reasons import Reasons
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.typing import INTERACTS, ITEM, SECOND_ORDER, USER
from soil_pyg.workflow.explain import Explainer, explain
from soil_pyg.workflow.options import ModelOptions

MODALITIES = ["image", "text", "audio"]
Matrix = np.ndarray
FeaturedData = Callable[..., HeteroData]
RandomRun = Callable[..., TrainedModel]


def prepared(trained: TrainedModel, data: HeteroData) -> HeteroData:
    selected = ModelOptions(trained.settings["model"])
    return selected.model_class.graph_transform(**selected.values_for("graphs", trained.settings))(
        data
    )


CASES = {
    "soil paper": ("soil", "paper", {"k": 3, "k_i": 2}),
    "soil released": ("soil", "released", {"k": 3, "k_i": 2, "k_a": 3}),
    "soil deep": ("soil", "paper", {"k": 3, "num_layers": 3, "num_item_layers": 2}),
    "soil shallow": ("soil", "released", {"k": 3, "num_layers": 0, "num_item_layers": 0}),
    "soil symmetric": ("soil", "paper", {"k": 3, "aggregation": "sym"}),
    "soil without second order": ("soil", "paper", {"k": 3, "second_order": False}),
    "soil without interest": ("soil", "released", {"k": 3, "interest": False}),
    "mgcn": ("mgcn", "released", {"k": 3}),
    "mgcn deep": ("mgcn", "released", {"k": 3, "num_item_layers": 2}),
    "lightgcn": ("lightgcn", "released", {"num_layers": 3}),
    "bpr": ("bpr", "released", {}),
}


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("num_modalities", [1, 2, 3])
def test_parts_add_up_to_the_scores_of_the_evaluator(
    featured_data: FeaturedData, random_run: RandomRun, case: str, num_modalities: int
) -> None:
    data = featured_data(num_modalities)
    spec, profile, options = CASES[case]
    trained = random_run(data, spec, profile, **options)
    explainer = Explainer(trained, data)
    users = torch.tensor([0, 7, 29])
    scores, items = Evaluator().rank(trained.user_emb, trained.item_emb, data, users, 25)
    for user, row, found in zip(users.tolist(), scores, items, strict=True):
        for score, item in zip(row.tolist(), found.tolist(), strict=True):
            if item == 25:
                continue
            explanation = explainer.explain(user * 10, f"item {item}")
            assert explanation.total == pytest.approx(score, rel=1e-5, abs=1e-5)
            assert explanation.score == pytest.approx(score, rel=1e-5, abs=1e-5)


class Dense:
    """SOIL with dense matrices in double precision, the paths of every user listed one by one."""

    def __init__(self, model: Recommender, data: HeteroData) -> None:
        self.weight = {name: p.detach().double().numpy() for name, p in model.named_parameters()}
        self.options, self.data = model.options, data
        self.num_users, self.num_items = model.num_users, model.num_items
        self.user, self.item = (
            self.weight[f"{name}_embedding.weight"] for name in ("user", "item")
        )
        self.first = np.zeros((self.num_users, self.num_items), dtype=bool)
        self.first[tuple(data[INTERACTS].edge_index.numpy())] = True
        self.views = {m: self.view(m) for m in self.options["in_channels"]}

    def matrix(self, edge_type: tuple[str, str, str]) -> Matrix:
        return self.data[edge_type].adjacency.to_dense().double().numpy()

    def view(self, modality: str) -> Matrix:
        prefix = f"gates.{modality}"
        x = self.data[ITEM][f"x_{modality}"].double().numpy()
        gate = x @ self.weight[f"{prefix}.project.weight"].T + self.weight[f"{prefix}.project.bias"]
        if self.options["sigmoid_gate"]:
            gate = gate @ self.weight[f"{prefix}.gate.weight"].T
            gate = 1 / (1 + np.exp(-gate - self.weight[f"{prefix}.gate.bias"]))
        view = self.item * gate
        for _ in range(self.options["num_item_layers"]):
            view = self.matrix(item_item(modality)) @ view
        return view

    def messages(self) -> Matrix:
        """What an item sends to a user: all paths that leave the user over it, by their length."""
        block = self.matrix(USER_ITEM).T
        size = self.num_users + self.num_items
        whole = np.zeros((size, size))
        whole[: self.num_users, self.num_users :] = block
        whole[self.num_users :, : self.num_users] = block.T
        x, total = np.concatenate([self.user, self.item]), 0
        for length in range(1, self.options["num_layers"] + 1):
            total = total + np.linalg.matrix_power(whole, length - 1) @ x
        return total[self.num_users :] / (self.options["num_layers"] + 1)

    def shares(self, views: dict[str, Matrix]) -> dict[str, float]:
        scores = {}
        for modality, view in views.items():
            hidden = self.weight["fusion.project.weight"] @ view
            hidden = np.tanh(hidden + self.weight["fusion.project.bias"])
            scores[modality] = np.exp(float(self.weight["fusion.query.weight"][0] @ hidden))
        total = sum(scores.values())
        divisor = len(views) + 1 if self.options["divide_fusion"] else 1
        return {modality: (1 - score / total) / divisor for modality, score in scores.items()}

    def parts(self, user: int, item: int) -> dict[tuple[Any, ...], float]:
        """The parts, with both kinds of edges of an item together."""
        user_item, aggregation = self.matrix(USER_ITEM).T, self.matrix(AGGREGATION).T
        layers = self.options["num_layers"] + 1
        message = self.messages()
        vectors = {(None, "content"): self.user[user] / layers}
        shares = self.shares({m: aggregation[user] @ view for m, view in self.views.items()})
        for j in range(self.num_items):
            if user_item[user, j] != 0:
                vectors[j, "content"] = user_item[user, j] * message[j]
            if aggregation[user, j] != 0:
                for modality, view in self.views.items():
                    vectors[j, modality] = shares[modality] * aggregation[user, j] * view[j]
        content = self.item[item] / layers
        for u in range(self.num_users):
            content = content + user_item[u, item] * self.sent_by_user(u)
        mine = {m: view[item] for m, view in self.views.items()}
        ends = {m: share * mine[m] for m, share in self.shares(mine).items()}
        ends = {"content": content, **ends}
        return {(*key, end): float(v @ w) for key, v in vectors.items() for end, w in ends.items()}

    def sent_by_user(self, user: int) -> Matrix:
        block = self.matrix(USER_ITEM).T
        x, y, total = self.user, self.item, 0
        for _ in range(self.options["num_layers"]):
            total = total + x
            x, y = block @ y, block.T @ x
        return total[user] / (self.options["num_layers"] + 1)


@pytest.mark.parametrize("profile", ["paper", "released"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 3, "num_item_layers": 2}])
def test_equals_the_paths_of_dense_matrices(
    featured_data: FeaturedData,
    random_run: RandomRun,
    profile: str,
    options: dict[str, int],
) -> None:
    data = featured_data()
    trained = random_run(data, "soil", profile, k=3, k_i=2, **options)
    graphs = prepared(trained, data)
    dense, explainer = Dense(trained.model, graphs), Explainer(trained, graphs)
    for user, item in [(0, 4), (11, 20), (29, 3)]:
        expected = dense.parts(user, item)
        parts = explainer.explain(user * 10, f"item {item}").parts
        found: dict[tuple[Any, ...], float] = {}
        for row in parts.itertuples():
            place = None if row.via is None else int(row.via.removeprefix("item "))
            key = (place, row.modality, row.item_modality)
            found[key] = found.get(key, 0.0) + row.value
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("profile", ["paper", "released"])
def test_kinds_follow_the_graphs(
    featured_data: FeaturedData, random_run: RandomRun, profile: str
) -> None:
    data = featured_data()
    trained = random_run(data, "soil", profile, k=3, k_i=2)
    graphs = prepared(trained, data)
    explainer = Explainer(trained, graphs)
    both = 0
    for user in range(30):
        parts = explainer.explain(user * 10, "item 5").parts
        expected = {}
        for kind, edge_type in [("interaction", INTERACTS), ("second_order", SECOND_ORDER)]:
            source, target = graphs[edge_type].edge_index
            expected[kind] = {f"item {i}" for i in target[source == user].tolist()}
            for modality in ("content", *MODALITIES):
                rows = parts[(parts["kind"] == kind) & (parts["modality"] == modality)]
                assert set(rows["via"]) == expected[kind]
        both += len(expected["interaction"] & expected["second_order"])
        own = parts[parts["kind"] == "own"]
        assert own["modality"].tolist() == ["content"] * 4
        assert own["item_modality"].tolist() == ["content", *MODALITIES]
        assert own["via"].isna().all()
    assert (both > 0) == (profile == "released")


def test_an_item_of_both_kinds_has_a_share_of_its_weight_in_each(
    featured_data: FeaturedData, random_run: RandomRun
) -> None:
    data = featured_data()
    trained = random_run(data, "soil", "released", k=3, k_i=2)
    graphs = prepared(trained, data)
    first = {tuple(pair): n for n, pair in enumerate(graphs[INTERACTS].edge_index.t().tolist())}
    second = graphs[SECOND_ORDER]
    explainer = Explainer(trained, graphs)
    checked = 0
    for n, pair in enumerate(second.edge_index.t().tolist()):
        if tuple(pair) not in first:
            continue
        parts = explainer.explain(pair[0] * 10, "item 5").parts
        parts = parts[parts["via"] == f"item {pair[1]}"].set_index(["kind", "modality"])
        for modality, attr in [("content", "norm_weight"), ("text", "aggregation_weight")]:
            one = parts.loc[("interaction", modality), "value"].to_numpy()
            two = parts.loc[("second_order", modality), "value"].to_numpy()
            ratio = 0.5 * second[attr][n] / graphs[INTERACTS].norm_weight[first[tuple(pair)]]
            np.testing.assert_allclose(two, float(ratio) * one, rtol=1e-5)
        checked += 1
    assert checked > 20


def test_summaries(featured_data: FeaturedData, random_run: RandomRun) -> None:
    data = featured_data()
    found = explain(random_run(data, "soil", "paper", k=3), 70, "item 2", data)
    assert (found.user, found.item) == (70, "item 2")
    items, modalities = found.by_item(), found.by_modality()
    assert list(items) == ["kind", "via", "value"]
    assert list(modalities) == ["modality", "value"]
    assert set(modalities["modality"]) == {"content", *MODALITIES}
    for table in (items, modalities):
        assert table["value"].sum() == pytest.approx(found.total, rel=1e-12)
        assert table["value"].is_monotonic_decreasing
    assert not items[["kind", "via"]].duplicated().any()
    assert items["via"].isna().sum() == 1
    rows = found.parts[found.parts["modality"] == "text"]
    value = modalities.set_index("modality").loc["text", "value"]
    assert value == pytest.approx(rows["value"].sum(), rel=1e-12)
    assert repr(found).startswith("Explanation(user=70, item='item 2', score=")


def test_ids_keep_their_type(featured_data: FeaturedData, random_run: RandomRun) -> None:
    data = featured_data()
    data[ITEM].id = np.arange(25) * 2
    found = explain(random_run(data, "lightgcn"), 70, 4, data)
    for table in (found.parts, found.by_item()):
        assert {type(via) for via in table["via"]} == {int, type(None)}
        assert table["via"].isna().tolist() == (table["kind"] == "own").tolist()
    assert type(found.item) is int


def test_bpr_is_the_users_own_embedding(featured_data: FeaturedData, random_run: RandomRun) -> None:
    data = featured_data()
    found = explain(random_run(data, "bpr"), "70", "item 2", data)
    assert found.parts.drop(columns="value").to_dict("records") == [
        {"kind": "own", "modality": "content", "item_modality": "content", "via": None}
    ]
    assert found.total == pytest.approx(found.score, abs=1e-5)


def test_the_data_is_left_as_it_was(featured_data: FeaturedData, random_run: RandomRun) -> None:
    data = featured_data()
    trained = random_run(data, "soil", "paper", k=3, second_order=False)
    before = copy.copy(data)
    explain(trained, 0, "item 0", data)
    assert data.edge_types == before.edge_types
    assert trained.user_emb.dtype == torch.float32
    assert next(trained.model.parameters()).dtype == torch.float32


@pytest.mark.parametrize("spec", ["vbpr", "freedom", "popularity", "itemknn"])
def test_other_models(featured_data: FeaturedData, random_run: RandomRun, spec: str) -> None:
    data = featured_data()
    selected = ModelOptions(spec)
    if "hidden_channels" not in selected.options:
        trained = TrainedModel(
            import_model(spec)(30, 25),
            *(torch.eye(30), torch.eye(25), data[USER].id, data[ITEM].id, {}, {}, "random"),
            data.digest,
            {},
        )
    else:
        trained = random_run(data, spec)
    with pytest.raises(ValueError, match=rf"{type(trained.model).__name__}.*'decompose'"):
        explain(trained, 0, "item 0", data)


def test_errors(featured_data: FeaturedData, random_run: RandomRun) -> None:
    data = featured_data()
    trained = random_run(data, "lightgcn")
    with pytest.raises(ValueError, match=r"'user'.*'7'"):
        explain(trained, 7, "item 2", data)
    with pytest.raises(ValueError, match=r"'item'.*'beer'"):
        explain(trained.folder, 70, "beer", data)
    with pytest.raises(ValueError, match=r"'data'.*got digest.*1.*expected.*0"):
        explain(trained, 70, "item 2", featured_data(seed=1))
    trained.user_id = np.append(trained.user_id, 999)
    with pytest.raises(ValueError, match=r"'user'.*'999'.* after"):
        explain(trained, 999, "item 2", data)
    trained.user_emb = trained.user_emb * 1.01
    with pytest.raises(ValueError, match=r"'70'.*'item 2'.*\(got .*precision="):
        explain(trained, 70, "item 2", data)


def test_ids_of_very_different_lengths(featured_data: FeaturedData, random_run: RandomRun) -> None:
    """They are kept as objects instead of an array of fixed width."""
    data = featured_data(1)
    trained = random_run(data, "lightgcn", "released")
    trained.user_id = np.array([f"user {i}" for i in range(30)], dtype=object)
    trained.item_id = np.array([f"item {i}" for i in range(25)], dtype=object)
    found = explain(trained, "user 4", "item 7", data)
    assert (found.user, found.item) == ("user 4", "item 7")
    assert Reasons(trained, data).find(4, 7) != []
