import unicodedata

import numpy as np

from soil_pyg.datasets import alike_ids as module
from soil_pyg.datasets.alike_ids import alike_ids


def test_ids_that_look_the_same() -> None:
    size, decomposed = "Größe 4", unicodedata.normalize("NFD", "Größe 4")
    ids = [size, decomposed, "Größe  4", "b", " b", "B", "007", "7"]
    expected = [(size, decomposed), (size, "Größe  4"), ("b", " b")]
    for dtype in (str, object):
        assert alike_ids(np.array(ids, dtype=dtype)) == expected


def test_numbers_and_very_many_ids_are_not_compared() -> None:
    assert alike_ids(np.arange(3)) == []
    assert alike_ids(np.array(["a", "a "] * (module.LIMIT // 2 + 1))) == []
