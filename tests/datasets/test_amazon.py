from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soil_pyg.datasets import Amazon, MultimodalDataset
from soil_pyg.datasets.published import Published
from soil_pyg.typing import INTERACTS

Layout = Callable[..., Path]


def test_baby(real_data: Path) -> None:
    dataset = Amazon(real_data, "baby")
    data = dataset[0]
    assert repr(dataset) == "Amazon('baby')"
    assert (data["user"].num_nodes, data["item"].num_nodes) == (19_445, 7_050)
    assert data.num_dropped_users == 0
    assert data[INTERACTS].edge_index.shape == (2, 118_551)
    assert data[INTERACTS].val_edge_label_index.shape == (2, 20_559)
    assert data[INTERACTS].test_edge_label_index.shape == (2, 21_682)
    assert data.digest == MultimodalDataset(real_data, "baby").digest


def test_the_counts_are_those_of_the_docstring() -> None:
    assert list(Amazon.published) == ["baby", "sports", "clothing", "electronics"]
    doc = Amazon.__doc__ or ""
    for name, expected in Amazon.published.items():
        row = doc[doc.index(f"* - {name}") :].split("* -", 2)[1]
        assert [f"- {count:,}" in row for count in expected.counts] == [True] * 3
        if expected.splits is not None:
            assert " / ".join(f"{count:,}" for count in expected.splits) in row
            assert sum(expected.splits) == expected.counts[2]


@pytest.mark.parametrize("name", ["baby", "sports", "clothing", "electronics"])
def test_missing_files_are_explained(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError) as info:
        Amazon(tmp_path, name)
    for part in (
        f"{tmp_path / name / name}.inter",
        "https://drive.google.com/drive/folders/13cBy1EA_saTUuXxVllKgtfci2A09jyaG",
        f"{tmp_path / name}/<modality>_feat.npy",
    ):
        assert part in str(info.value)
    assert list(tmp_path.iterdir()) == []


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "games").mkdir()
    (tmp_path / "games" / "games.inter").touch()
    for name in ("toys", "games"):
        with pytest.raises(ValueError, match=rf"'name' .*'baby', 'sports',.*\(got '{name}'\)"):
            Amazon(tmp_path, name)


def test_other_interactions_are_refused(layout: Layout) -> None:
    root = layout(name="baby")
    with pytest.raises(ValueError, match="'baby'") as info:
        Amazon(root, "baby")
    for part in (
        *("4 users instead of 19,445", "4 items instead of 7,050", "8 interactions instead of"),
        *("5 train pairs instead of 118,551", "2 val pairs instead of", "1 test pairs instead of"),
    ):
        assert part in str(info.value)
    # What another class has stored does not get round the check.
    assert len(MultimodalDataset(root, "baby")) == 1
    with pytest.raises(ValueError, match="'baby'"):
        Amazon(root, "baby")


def test_the_checksum_ignores_order_and_other_columns(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(0, 0, 0), (0, 1, 1), (0, 2, 2)]
    toy = Published((1, 3, 3), (1, 1, 1), checksum="0")
    monkeypatch.setitem(Amazon.published, "baby", toy)
    with pytest.raises(ValueError, match=r"checksum [0-9a-f]{64} instead of 0") as info:
        Amazon(layout(rows, name="baby"), "baby")
    checksum = str(info.value).split("checksum ")[1][:64]
    monkeypatch.setitem(Amazon.published, "baby", replace(toy, checksum=checksum))
    other = [(label, item, user, 5) for user, item, label in rows[::-1]]
    root = layout(other, "x_label\titemID\tuserID\trating", name="baby")
    assert Amazon(root, "baby")[0]["item"].num_nodes == 3
    with pytest.raises(ValueError, match="checksum"):
        Amazon(layout([(0, 0, 0), (0, 2, 1), (0, 1, 2)], name="baby"), "baby")


def test_features_are_checked_where_known(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Published((1, 3, 3), features={"image": "0", "audio": "0"})
    monkeypatch.setitem(Amazon.published, "baby", toy)
    root = layout([(0, 0, 0), (0, 1, 1), (0, 2, 2)], name="baby", image=np.ones((3, 1)))
    with pytest.warns(UserWarning, match=r"image_feat\.npy"):
        Amazon(root, "baby")


def test_electronics_may_keep_its_short_name(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Amazon.published, "electronics", Published((1, 3, 3)))
    rows = [(0, 0, 0), (0, 1, 1), (0, 2, 2)]
    long = Amazon(layout(rows, name="electronics"), "electronics")
    assert Path(long.raw_paths[0]).name == "electronics.inter"
    short = Amazon(layout(rows, name="elec"), "electronics")
    assert Path(short.raw_paths[0]).name == "elec.inter"
    assert short[0].name == "electronics"
