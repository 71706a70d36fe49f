"""Newcomers and explanations of the models with preferences per modality."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from preference_oracle import BATCH, NUM_ITEMS, NUM_USERS, Oracle, make_data, make_model

from soil_pyg.models import DRAGON, MENTOR, DualGNN, Recommender
from soil_pyg.models.explanation import INTERACTION, OWN, SIMILAR_USERS
from soil_pyg.typing import INTERACTS

NEW = torch.tensor([[0, 0, 1, 1, 1], [2, 5, 3, 6, 1]])
"""Two new users; nobody else has item 6."""
GRAPHS: dict[Any, dict[str, int]] = {
    DRAGON: {"k": 3, "user_k": 3},
    DualGNN: {"user_k": 3},
    MENTOR: {"k": 3},
}
EVERY = pytest.mark.parametrize("kind", list(GRAPHS))


@EVERY
@pytest.mark.parametrize("num_modalities", [1, 2])
def test_new_users(kind: type[Recommender], num_modalities: int) -> None:
    data = make_data(kind, num_modalities, **GRAPHS[kind])
    model = make_model(kind, num_modalities)
    oracle = Oracle(model, data)
    matrix = oracle.user_item()
    pairs = [tuple(pair) for pair in data[INTERACTS].edge_index.t().tolist()]
    items = {u: {i for v, i in pairs if v == u} for u in range(NUM_USERS)}
    new = [{2, 5}, {3, 6, 1}]
    weight = oracle.weight["user_weight.weight"].mean(axis=0)
    rows: list[list[np.ndarray]] = [[], []]
    for m in oracle.names:
        start = oracle.start(f"encoders.{m}", oracle.code(f"encoders.{m}", oracle.features[m]))
        sent = (start + matrix @ start)[NUM_USERS:]
        for n, mine in enumerate(new):
            view = np.zeros(sent.shape[1])
            for i in mine:
                num_users = sum(i in other for other in [*items.values(), *new])
                view += sent[i] / np.sqrt(len(mine) * num_users)
            rows[n].append(view * weight[len(rows[n])])
    views = oracle.weigh(oracle.views())
    join = sum if kind is DualGNN else np.concatenate
    known = [join([view[u] for view in views]) for u in range(NUM_USERS)]
    expected = [join(row) for row in rows]
    for n, mine in enumerate(new):
        if kind is MENTOR:
            continue
        # The other new user is among the candidates, but sends nothing.
        shared = {v: len(mine & other) for v, other in enumerate([*items.values(), *new])}
        del shared[NUM_USERS + n]
        best = sorted((v for v in shared if shared[v]), key=lambda v: (-shared[v], v))[:3]
        total = sum(np.exp(shared[v]) for v in best)
        for v in best:
            if v < NUM_USERS:
                expected[n] = expected[n] + np.exp(shared[v]) / total * known[v]
    make_transform = partial(kind.graph_transform, **GRAPHS[kind])
    with torch.no_grad():
        found = model.embed_new_users(data, make_transform, model(data)[1], NEW, 2)
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", [DRAGON, MENTOR])
@pytest.mark.parametrize("num_modalities", [1, 3])
def test_loss(kind: type[Recommender], num_modalities: int) -> None:
    data = make_data(kind, num_modalities, **GRAPHS[kind])
    model = make_model(kind, num_modalities, reg=0.7).eval()
    oracle = Oracle(model, data)
    with torch.no_grad():
        user, item = (table.numpy() for table in model(data))
        terms = model.loss(data, BATCH)
    expected = {"bpr": oracle.bpr(user, item), "reg": oracle.reg()}
    assert {name: terms[name].item() for name in expected} == pytest.approx(expected, rel=1e-6)


def test_weights_of_a_user_start_with_the_sum_1() -> None:
    weight = MENTOR(50, 4, {"image": 5, "text": 3, "audio": 2}).user_weight.weight
    assert (weight > 0).all()
    torch.testing.assert_close(weight.sum(dim=1), torch.ones(50))
    assert weight.std(dim=0).min() > 0.01


@EVERY
def test_the_graphs_are_built_for_new_users(kind: type[Recommender]) -> None:
    data, model = make_data(kind, 2, **GRAPHS[kind]), make_model(kind, 2)
    make_transform = partial(kind.graph_transform, **GRAPHS[kind])
    bare = data.clone()
    for edge_type in data.edge_types:
        if edge_type != INTERACTS:
            del bare[edge_type]
    del bare[INTERACTS].adjacency
    with torch.no_grad():
        item_emb = model(data)[1]
        found = [model.embed_new_users(x, make_transform, item_emb, NEW, 2) for x in (data, bare)]
    torch.testing.assert_close(*found)


@EVERY
@pytest.mark.parametrize("num_modalities", [1, 3])
def test_summands(kind: type[Recommender], num_modalities: int) -> None:
    data = make_data(kind, num_modalities, **GRAPHS[kind])
    model = make_model(kind, num_modalities)
    parts = model.decompose(data, partial(kind.graph_transform, **GRAPHS[kind]))
    oracle = Oracle(model, data)
    views = oracle.views()
    join = sum if kind is DualGNN else partial(np.concatenate, axis=1)
    alone = join(oracle.weigh(views))
    for user in range(NUM_USERS):
        summands = [part for part in parts.of_user(user) if len(part.item) > 0]
        own = [part for part in summands if part.kind != SIMILAR_USERS]
        total = torch.cat([part.vector for part in own]).sum(dim=0)
        np.testing.assert_allclose(total, alone[user], rtol=1e-5, atol=1e-7)
        assert {part.kind for part in own} <= {OWN, INTERACTION}
        assert {part.modality for part in own} == set(oracle.names)
        similar = [part.vector[0] for part in summands if part.kind == SIMILAR_USERS]
        if kind is MENTOR:
            assert similar == []
        else:
            expected = oracle.user_user[user] @ alone
            np.testing.assert_allclose(similar[0], expected, rtol=1e-5, atol=1e-7)
    for item in range(NUM_ITEMS):
        found = parts.of_item(item)
        assert list(found) == oracle.names
        total = torch.stack(list(found.values())).sum(dim=0)
        torch.testing.assert_close(total, parts.content[1][item])


def test_joined_parts_keep_their_channels() -> None:
    data, model = make_data(MENTOR, 2, k=3), make_model(MENTOR, 2)
    parts = model.decompose(data, partial(MENTOR.graph_transform, k=3))
    image, text = parts.of_item(0).values()
    assert image[3:].count_nonzero() == text[:3].count_nonzero() == 0
    summands = [part for part in parts.of_user(0) if len(part.item) > 0]
    assert len(summands) == 4
    for part in summands:
        assert part.vector[:, 3:].any() == (part.modality == "text")
        assert part.vector[:, :3].any() == (part.modality == "image")
