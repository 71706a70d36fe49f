import numpy as np
import pytest

from soil_pyg.datasets.ids import find_ids
from soil_pyg.serving.id_index import IdIndex

WANTED = [
    "1",
    "01",
    "-3",
    "tea",
    "te",
    "teas",
    "tea\0",
    "",
    "x" * 30,
    "\ud800",
    "9" * 25,
    "é",
    "1.0",
    "-0",
    "1000000000000000001",
    str(2**63 - 1),
    str(2**63),
    str(-(2**63)),
]


@pytest.mark.parametrize(
    "known",
    [
        np.array([-3, 0, 1, 20]),
        np.array([20, 1, -3, 0]),
        np.array([-(2**63), 10**18, 10**18 + 1, 2**63 - 1]),
        np.array(["", "01", "1", "tea", "é"]),
        np.array(["tea", "1", "é", "01"]),
        np.array(["tea", "x" * 30], dtype=object),
        np.array([1, "tea", 1.0], dtype=object)[:2],
        np.array([1, 2], dtype=np.int32),
        np.array([], dtype=np.int64),
    ],
    ids=lambda known: f"{known.dtype}-{known.tolist()[:2]}",
)
def test_ids_are_found_as_by_the_verbs(known: np.ndarray) -> None:
    index = IdIndex(known)
    wanted = [text for text in WANTED if known.dtype.kind != "U" or not text.endswith("\0")]
    expected = find_ids(np.array(wanted, dtype=object), known)
    assert [index.find(text) for text in wanted] == expected.tolist()


def test_nul_is_no_padding() -> None:
    assert IdIndex(np.array(["tea", "teas"])).find("tea\0") == -1
