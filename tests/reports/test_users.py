from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import HeteroData

from soil_pyg import load, recommend
from soil_pyg.datasets.data_folder import load_item_table
from soil_pyg.reports.users import ItemCards, choose_users, user_panels
from soil_pyg.typing import INTERACTS, SECOND_ORDER
from soil_pyg.workflow.run_data import run_transform


def test_users_at_even_steps(shop_data: HeteroData) -> None:
    test = shop_data[INTERACTS].test_edge_label_index
    degree = np.bincount(shop_data[INTERACTS].edge_index[0].numpy())
    users = choose_users(shop_data, test, 5)
    known = sorted(set(test[0].tolist()), key=lambda user: (degree[user], user))
    assert users[0] == known[0]
    assert users[-1] == known[-1]
    places = [known.index(user) for user in users]
    assert len(set(np.diff(places).tolist())) <= 2
    assert choose_users(shop_data, test, 1000) == known
    assert choose_users(shop_data, test, 0) == []
    assert choose_users(shop_data, test[:, test[0] < 0], 3) == []


def test_panels(shop: Path, shop_data: HeteroData, runs: Path) -> None:
    trained = load(runs / "soil 0")
    data = run_transform(trained)(shop_data)
    test = data[INTERACTS].test_edge_label_index
    cards = ItemCards(trained.item_id, load_item_table(shop))
    users = [4, 0, 17]
    panels = user_panels(trained, data, test, users, cards)
    expected = recommend(trained, users=trained.user_id[users], k=10)
    evaluated = recommend(trained, users=trained.user_id[users], k=10, exclude_seen="train")
    edges = data[INTERACTS].edge_index.t().tolist()
    for user, panel in zip(users, panels, strict=True):
        history = [str(trained.item_id[item]) for u, item in edges if u == user]
        held_out = [str(trained.item_id[i]) for u, i in test.t().tolist() if u == user]
        rows = expected[expected["user"] == trained.user_id[user]]
        assert panel.id == str(trained.user_id[user])
        assert panel.num_history == len(history)
        assert [item.id for item in panel.history + panel.more_history] == history
        assert [item.id for item in panel.held_out] == held_out
        assert [item.id for item in panel.recommended] == rows["item"].astype(str).tolist()
        assert [item.value for item in panel.recommended] == rows["score"].tolist()
        assert not {item.id for item in panel.recommended} & set(history + held_out)
        best = evaluated[evaluated["user"] == trained.user_id[user]]["item"].astype(str)
        hits = [item.id for item in panel.held_out if item.is_hit]
        assert sorted(hits) == sorted(set(held_out) & set(best))
        assert panel.num_hits == len(hits)
        assert panel.second_order is not None
        assert not {item.id for item in panel.second_order} & set(history)
        weights = [item.value for item in panel.second_order]
        assert weights == sorted(weights, reverse=True)
        store = data[SECOND_ORDER]
        near = store.edge_index[1, store.edge_index[0] == user]
        assert {item.id for item in panel.second_order} <= set(
            trained.item_id[near.numpy()].astype(str)
        )


def test_second_order_items_only_where_the_graphs_have_them(
    shop_data: HeteroData, runs: Path
) -> None:
    trained = load(runs / "popularity")
    test = shop_data[INTERACTS].test_edge_label_index
    (panel,) = user_panels(trained, shop_data, test, [0], ItemCards(trained.item_id))
    assert panel.second_order is None
    assert panel.recommended[0].title is None


def test_a_user_with_few_candidates(shop_data: HeteroData, runs: Path) -> None:
    trained = load(runs / "popularity")
    items = torch.arange(36)
    data = HeteroData()
    data[INTERACTS].edge_index = torch.stack([torch.zeros_like(items), items])
    (panel,) = user_panels(
        trained, data, torch.tensor([[0], [39]]), [0], ItemCards(trained.item_id)
    )
    assert len(panel.recommended) == 4
    assert (panel.num_history, len(panel.history), len(panel.more_history)) == (36, 10, 26)
    assert panel.num_hits == 1


def test_cards() -> None:
    table = pd.DataFrame({"item": [7, 8, 9], "title": ["Tea", None, ""]})
    cards = ItemCards(np.array([7, 8, 9]), table)
    assert [cards.make(item).title for item in range(3)] == ["Tea", None, None]
    assert cards.make(0).id == "7"
    assert not cards.has_pictures
