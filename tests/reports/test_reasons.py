from pathlib import Path

from torch_geometric.data import HeteroData

from soil_pyg import explain, load
from soil_pyg.datasets.data_folder import load_item_table
from soil_pyg.reports.reasons import Reasons
from soil_pyg.reports.users import ItemCards, user_panels
from soil_pyg.typing import INTERACTS
from soil_pyg.workflow.run_data import run_transform


def test_reasons_are_the_largest_parts(shop: Path, shop_data: HeteroData, runs: Path) -> None:
    trained = load(runs / "soil 0")
    data = run_transform(trained)(shop_data)
    test = data[INTERACTS].test_edge_label_index
    cards = ItemCards(trained.item_id, load_item_table(shop))
    (panel,) = user_panels(trained, data, test, [4], cards, Reasons(trained, data))
    name_of = {str(item): cards.name(place) for place, item in enumerate(trained.item_id)}
    assert any(item.reasons for item in panel.recommended)
    for item in panel.recommended:
        parts = explain(trained, trained.user_id[4], item.id, shop_data).by_item()
        best = parts[parts["via"].notna() & (parts["value"] > 0)][:2]
        expected = [
            name_of[str(via)] + (" (second-order)" if kind == "second_order" else "")
            for via, kind in zip(best["via"], best["kind"], strict=True)
        ]
        assert list(item.reasons) == expected


def test_models_without_a_split_score(shop_data: HeteroData, runs: Path) -> None:
    reasons = Reasons(load(runs / "popularity"), shop_data)
    assert "Popularity" in reasons.missing
    assert reasons.find(0, 0) == []
