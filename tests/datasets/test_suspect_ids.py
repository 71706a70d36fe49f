import unicodedata

import numpy as np
import pytest

from soil_pyg.datasets import suspect_ids as module
from soil_pyg.datasets.suspect_ids import alike_ids, placeholder_ids


def test_ids_that_look_the_same() -> None:
    size, decomposed = "Größe 4", unicodedata.normalize("NFD", "Größe 4")
    ids = [size, decomposed, "Größe  4", "b", " b", "B", "007", "7", "b\u200b", "\ufeffB"]
    ids += ["12", "12.0", "12,00", "12.5", "12.50", "120"]
    expected = [(size, decomposed), (size, "Größe  4"), ("b", " b"), ("b", "b\u200b")]
    expected += [("B", "\ufeffB"), ("12", "12.0"), ("12", "12,00")]
    for dtype in (str, object):
        assert alike_ids(np.array(ids, dtype=dtype)) == expected


def test_numbers_and_very_many_ids_are_not_compared() -> None:
    assert alike_ids(np.arange(3)) == []
    assert alike_ids(np.array(["a", "a "] * (module.LIMIT // 2 + 1))) == []


@pytest.mark.parametrize("dtype", [str, object])
def test_ids_that_mark_a_missing_one(dtype: type) -> None:
    ids = ["NULL", "null", "nan", "N/A", "#N/A", "-", "\\N", "None", " NULL "]
    others = ["ann", "nana", "--flag", "0", "n", "x" * 99]
    assert placeholder_ids(np.array(ids + others, dtype=dtype)).tolist() == list(range(len(ids)))
    assert placeholder_ids(np.arange(3)).tolist() == []
