from pathlib import Path

import numpy as np
import pytest

from soil_pyg.datasets.id_mapping import FILES, mapped_ids
from soil_pyg.typing import ITEM, USER


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("asin\titemID\nB00\t0\nNA\t2\n007\t1\n", ["NA", "B00", "007", "B00"]),
        ("itemID,sku\n1,5\n0,7\n2,9\n", [9, 7, 5, 7]),
        ("itemID;sku\n1;5\n0;7\n2;x\n4;3\n", ["x", "7", "5", "7"]),
    ],
)
def test_numbers_become_ids(content: str, expected: list[object], tmp_path: Path) -> None:
    (tmp_path / FILES[ITEM]).write_text(content)
    numbers = np.array([2, 0, 1, 0])
    assert mapped_ids(tmp_path, ITEM, numbers).tolist() == expected
    assert mapped_ids(tmp_path, USER, numbers).tolist() == numbers.tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("asin\titem\nB00\t0\n", "line 1: column 'itemID' is missing"),
        ("itemID\n0\n1\n", "must have the column 'itemID' and one of original ids"),
        ("a\tb\titemID\nx\ty\t0\n", r"one of original ids \(got \['a', 'b', 'itemID'\]\)"),
        ("asin\titemID\nB00\t0\n", "has no row with 1 as 'itemID': mend or remove the file"),
        ("asin\titemID\nB00\t0\nB01\t0\n", "line 3: 'itemID' already has this value"),
        ("asin\titemID\nB00\t0\nB00\t1\n", "line 3: 'asin' already has this value"),
        ("asin\titemID\nB00\t0\n\t1\n", "line 3: 'asin' is missing"),
        ("", "is empty"),
    ],
)
def test_a_file_that_cannot_be_right(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / FILES[ITEM]).write_text(content)
    with pytest.raises(ValueError, match=rf"{FILES[ITEM]}.*{message}"):
        mapped_ids(tmp_path, ITEM, np.array([0, 1]))
