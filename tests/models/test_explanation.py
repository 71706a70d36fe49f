import pandas as pd

from soil_pyg.models.explanation import Explanation


def test_largest_contributions_come_first() -> None:
    parts = pd.DataFrame(
        {
            "kind": ["own", "interaction", "interaction", "interaction"],
            "modality": ["content", "content", "image", "image"],
            "via": [None, "tea", "rum", "tea"],
            "value": [0.25, 0.5, 2.0, -1.0],
        }
    )
    explanation = Explanation("u", "i", 1.75, parts)
    assert explanation.total == 1.75
    by_item = explanation.by_item()
    assert by_item["via"].tolist() == ["rum", None, "tea"]
    assert by_item["value"].tolist() == [2.0, 0.25, -0.5]
    assert by_item["kind"].tolist() == ["interaction", "own", "interaction"]
    assert list(by_item) == ["kind", "via", "value"]
    by_modality = explanation.by_modality()
    assert by_modality["modality"].tolist() == ["image", "content"]
    assert by_modality["value"].tolist() == [1.0, 0.75]
    assert list(by_modality) == ["modality", "value"]
    assert str(explanation) == "Explanation(user='u', item='i', score=1.7500, parts=4)"


def test_an_item_of_two_kinds_contributes_to_each_and_ties_keep_their_order() -> None:
    parts = pd.DataFrame(
        {
            "kind": ["second_order", "own", "interaction", "interaction"],
            "modality": ["text", "content", "text", "content"],
            "via": [7, None, 7, 3],
            "value": [1.0, 0.5, 0.5, 0.5],
        },
        dtype=object,
    ).astype({"value": float})
    by_item = Explanation(1, 2, 2.5, parts).by_item()
    assert by_item["via"].tolist() == [7, None, 7, 3]
    assert [type(via) for via in by_item["via"]] == [int, type(None), int, int]
    assert by_item["kind"].tolist() == ["second_order", "own", "interaction", "interaction"]
