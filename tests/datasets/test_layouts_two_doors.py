"""A folder in the layout of MMRec gives the same data through both doors, or the same error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.datasets import MultimodalDataset
from soil_pyg.datasets.data_folder import load_data_folder
from soil_pyg.typing import EDGE_INDICES, INTERACTS

Layout = Callable[..., Path]
HEADER = "userID\titemID\tx_label"
GOOD = [(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 0, 0), (1, 2, 1)]
FROM_ONE = [(user + 1, item + 1, label) for user, item, label in GOOD]
X = np.arange(6, dtype=np.float32).reshape(3, 2) + 1


def text(rows: list[Any], header: str = HEADER, end: str = "\n") -> str:
    return end.join([header, *("\t".join(map(str, row)) for row in rows)]) + end


TAKEN: dict[str, dict[str, Any]] = {
    "as published": {"rows": GOOD, "image": X},
    "no features": {"rows": GOOD},
    "ids from 1 on": {"rows": FROM_ONE},
    "ids from 1 on, with a row of features for 0": {"rows": FROM_ONE, "image": np.ones((4, 2))},
    "gaps": {"rows": [*GOOD, (7, 9, 0)]},
    "items without interactions": {"rows": GOOD, "image": np.ones((6, 2))},
    "a user without training pairs": {"rows": [*GOOD, (5, 1, 2)], "image": X},
    "labels as words": {"rows": [(u, i, ("train", "val", "test")[k]) for u, i, k in GOOD]},
    "a mark": {"content": "\ufeff" + text(GOOD)},
    "carriage returns": {"content": text(GOOD, end="\r\n")},
    "old line ends": {"content": text(GOOD, end="\r")},
    "no last line end": {"content": text(GOOD).rstrip()},
    "blank lines at the end": {"content": text(GOOD) + "\n\n"},
    "another order": {"content": text([r[::-1] for r in GOOD], "x_label\titemID\tuserID")},
    "quoted header": {"content": text(GOOD, HEADER.replace("userID", '"userID"'))},
    "text that begins with a mark": {"rows": [(*r, '"a') for r in GOOD], "header": f"{HEADER}\tt"},
    "a mark alone": {
        "rows": [(*GOOD[0], '"'), *((*r, "") for r in GOOD[1:])],
        "header": f"{HEADER}\tt",
    },
    "text with marks on both sides": {"content": text([(*r, '"a"') for r in GOOD], f"{HEADER}\tt")},
    "types of features": {"rows": GOOD, "image": X.astype(np.float16), "text": X.astype(int)},
    "a missing feature": {"rows": GOOD, "image": X * [[0], [1], [1]]},
}
REFUSED: dict[str, dict[str, Any]] = {
    "empty": {"content": ""},
    "header only": {"content": f"{HEADER}\n"},
    "no header": {"rows": GOOD, "header": "0\t3\t0"},
    "spaces in the header": {"rows": GOOD, "header": "userID\t itemID\tx_label"},
    "column twice": {"rows": GOOD, "header": "userID\tuserID\titemID\tx_label"},
    "no labels": {"rows": [r[:2] for r in GOOD], "header": "userID\titemID"},
    "commas": {"content": text(GOOD).replace("\t", ",")},
    "ids beyond the features": {"rows": FROM_ONE, "image": X},
    "negative ids": {"rows": [*GOOD, (-1, 0, 0)]},
    "large ids": {"rows": [*GOOD, (10**8, 0, 0)]},
    "huge ids": {"rows": [*GOOD, (10**30, 0, 0)]},
    "text ids": {"rows": [*GOOD, ("u1", 0, 0)]},
    "leading zeros": {"rows": [*GOOD, ("00", 1, 0)]},
    "hexadecimal ids": {"rows": [*GOOD, ("0x1F", 1, 0)]},
    "other digits": {"rows": [*GOOD, ("\u0661", 1, 0)]},
    "fractions": {"rows": [*GOOD, (1.0, 1, 0)]},
    "missing ids": {"rows": [*GOOD, ("", 1, 0)]},
    "different line ends": {"content": text(GOOD) + "3\t1\t0\r\n4\t1\t0\n"},
    "blank lines": {"content": text(GOOD) + "\n" + "3\t1\t0\n"},
    "spaces": {"rows": [*GOOD, (" 3", 1, 0)]},
    "quoted ids": {"rows": [*GOOD, ('"3"', 1, 0)]},
    "unknown labels": {"rows": [*GOOD, (3, 1, 3)]},
    "fractional labels": {"rows": [*GOOD, (3, 1, "0.0")]},
    "missing labels": {"rows": [*GOOD, (3, 1, "")]},
    "NaN labels": {"rows": [*GOOD, (3, 1, "NaN")]},
    "no test pairs": {"rows": [r for r in GOOD if r[2] < 2]},
    "no users of test pairs": {"rows": [*(r for r in GOOD if r[2] < 2), (9, 1, 2)]},
    "repeated pairs": {"rows": [*GOOD, (0, 0, 0)]},
    "leaked pairs": {"rows": [*GOOD, (0, 2, 0)]},
    "ragged rows": {"content": text(GOOD) + "3\t1\n"},
    "surplus fields": {"content": text(GOOD) + "3\t1\t0\t0\n"},
    "bytes": {"content": text(GOOD) + "3\t1\t\0\n"},
    "infinite features": {"rows": GOOD, "image": X * [[1], [np.inf], [1]]},
    "other numbers of rows": {"rows": GOOD, "image": X, "text": np.ones((4, 2))},
    "features of one dimension": {"rows": GOOD, "image": np.ones(3)},
    "complex features": {"rows": GOOD, "image": X * 1j},
}


def through_both_doors(layout: Layout, case: dict[str, Any]) -> list[HeteroData | str]:
    root = layout(**case)

    def dataset() -> HeteroData:
        return MultimodalDataset(root, "toy")[0]

    def folder() -> HeteroData:
        soil_pyg.prepare(root / "toy", root / "D")
        return load_data_folder(root / "D")

    found: list[HeteroData | str] = []
    for door in (dataset, folder):
        try:
            found.append(door())
        except ValueError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize("name", TAKEN)
def test_the_same_data(name: str, layout: Layout) -> None:
    first, second = through_both_doors(layout, TAKEN[name])
    assert isinstance(first, HeteroData), first
    assert isinstance(second, HeteroData), second
    for kind in ("user", "item"):
        assert first[kind].id.tolist() == second[kind].id.tolist()
        assert first[kind].num_nodes == second[kind].num_nodes
    for index in EDGE_INDICES:
        assert first[INTERACTS][index].tolist() == second[INTERACTS][index].tolist()
    assert first.num_dropped_users == second.num_dropped_users
    features = [
        {k: v.tolist() for k, v in d["item"].items() if k[:2] == "x_"} for d in (first, second)
    ]
    assert features[0] == features[1]


@pytest.mark.parametrize("name", REFUSED)
def test_the_same_error(name: str, layout: Layout) -> None:
    first, second = through_both_doors(layout, REFUSED[name])
    assert isinstance(first, str)
    assert first == second
    assert "toy" in first
    assert "\n" not in first
