from pathlib import Path

import pandas as pd
import pytest

from soil_pyg.datasets.new_items import read_new_items


def test_tables_may_name_different_items(tmp_path: Path) -> None:
    pd.DataFrame({"item": [3, 1], "a": [1.0, 2.0]}).to_csv(tmp_path / "image.csv", index=False)
    text = pd.DataFrame({"item": [2, 3], "x": [[1.0, 2.0], [3.0, 4.0]]})
    ids, features = read_new_items({"image": tmp_path / "image.csv", "text": text})
    assert ids.tolist() == [1, 2, 3]
    assert features["image"].tolist() == [[2], [0], [1]]
    assert features["text"].tolist() == [[0, 0], [1, 2], [3, 4]]


def test_ids_are_compared_as_they_are_written() -> None:
    first = pd.DataFrame({"item": [1, 2], "a": [1.0, 2.0]})
    second = pd.DataFrame({"item": ["2", "x"], "a": [3.0, 4.0]})
    ids, features = read_new_items({"image": first, "text": second})
    assert ids.tolist() == ["1", "2", "x"]
    assert features["text"].tolist() == [[0], [3], [4]]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"item": [], "a": []}), "no rows"),
        (pd.DataFrame({"item": [1, 1], "a": [1.0, 2.0]}), "row 1: .*already"),
        (pd.DataFrame({"item": [1, None], "a": [1.0, 2.0]}), "row 1: .*missing"),
        (pd.DataFrame({"key": [1], "a": [1.0]}), "'item' .*missing"),
    ],
)
def test_errors(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=rf"features\['image'\].*{message}"):
        read_new_items({"image": frame})
    with pytest.raises(ValueError, match=r"'features' .*\(got none\)"):
        read_new_items({})
