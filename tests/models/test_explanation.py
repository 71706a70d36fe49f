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
    by_modality = explanation.by_modality()
    assert by_modality["modality"].tolist() == ["image", "content"]
    assert by_modality["value"].tolist() == [1.0, 0.75]
