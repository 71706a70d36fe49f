from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.transforms import BaseTransform

from soil_pyg.datasets import TableDataset
from soil_pyg.typing import EDGE_INDICES as NAMES
from soil_pyg.typing import INTERACTS, modalities_of

FRAME = pd.DataFrame(
    {
        "user": ["bob", "ann", "ann", "ann", "bob", "bob", "eve"],
        "item": ["tea", "rum", "tea", "gin", "gin", "rum", "gin"],
        "day": [1, 5, 6, 7, 2, 3, 4],
        "split": ["train", "train", "val", "test", "train", "test", "test"],
    }
)


def pairs(dataset: TableDataset, name: str) -> list[tuple[Any, Any]]:
    data = dataset[0]
    user, item = data[INTERACTS][name].numpy()
    return list(zip(data["user"].id[user].tolist(), data["item"].id[item].tolist(), strict=True))


def test_a_given_split_and_the_ids_travel() -> None:
    dataset = TableDataset(FRAME, split_column="split")
    data = dataset[0]
    assert data["user"].id.tolist() == ["ann", "bob"]
    assert data["item"].id.tolist() == ["gin", "rum", "tea"]
    assert data.num_dropped_users == 1
    assert data.num_ignored_feature_rows == 0
    assert data[INTERACTS].edge_index.tolist() == [[0, 1, 1], [1, 0, 2]]
    assert pairs(dataset, NAMES[1]) == [("ann", "tea")]
    assert pairs(dataset, NAMES[2]) == [("ann", "gin"), ("bob", "rum")]
    assert repr(dataset) == "TableDataset('table')"


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_files_are_read_as_frames_are(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{kind}"
    if kind == "parquet":
        FRAME.to_parquet(path)
    else:
        FRAME.to_csv(path, sep="\t" if kind == "tsv" else ",", index=False)
    for options in ({"split_column": "split"}, {"split": "last", "time_column": "day"}):
        expected = TableDataset(FRAME, **options)
        for source in (path, str(path)):
            assert TableDataset(source, **options).digest == expected.digest


def test_columns_of_other_names_and_integer_ids() -> None:
    frame = pd.DataFrame({"u": [30, 30, 30], "i": [7, 5, 6], "s": [0, 1, 2]})
    dataset = TableDataset(frame, user_column="u", item_column="i", split_column="s")
    assert dataset[0]["item"].id.dtype == np.int64
    assert [pairs(dataset, name) for name in NAMES] == [[(30, 7)], [(30, 5)], [(30, 6)]]


def test_last_split() -> None:
    dataset = TableDataset(FRAME, split="last", time_column="day")
    assert pairs(dataset, NAMES[0]) == [("ann", "rum"), ("bob", "tea"), ("eve", "gin")]
    assert pairs(dataset, NAMES[1]) == [("ann", "tea"), ("bob", "gin")]
    assert pairs(dataset, NAMES[2]) == [("ann", "gin"), ("bob", "rum")]


def test_time_split() -> None:
    options: dict[str, Any] = {"split": "time", "time_column": "day"}
    dataset = TableDataset(FRAME, ratios=(5 / 7, 1 / 7, 1 / 7), **options)
    assert pairs(dataset, NAMES[1]) == [("ann", "tea")]
    assert pairs(dataset, NAMES[2]) == [("ann", "gin")]
    assert dataset[0].num_dropped_users == 0


def test_random_split_does_not_depend_on_the_order_of_rows() -> None:
    frame = pd.DataFrame(
        [(f"u{u}", i) for u in range(20) for i in range(10)], columns=["user", "item"]
    )
    dataset = TableDataset(frame)
    assert [dataset[0][INTERACTS][name].size(1) for name in NAMES] == [160, 20, 20]
    shuffled = TableDataset(frame.sample(frac=1, random_state=1), split="random")
    assert shuffled.digest == dataset.digest
    assert [pairs(shuffled, name) for name in NAMES] == [pairs(dataset, name) for name in NAMES]
    assert TableDataset(frame, seed=1).digest != dataset.digest
    assert TableDataset(frame, ratios=(0.6, 0.2, 0.2))[0][INTERACTS].edge_index.size(1) == 120


def test_features_are_keyed_by_item() -> None:
    image = pd.DataFrame({"x": [1.0, 2.0, 9.0]}, index=["gin", "tea", "ale"])
    audio = (torch.tensor([[3, 4]], dtype=torch.float64), ["rum"])
    dataset = TableDataset(FRAME, {"image": image, "audio": audio}, split_column="split")
    data = dataset[0]
    assert modalities_of(data) == ["image", "audio"]
    assert data["item"].x_image.tolist() == [[1.0], [0.0], [2.0]]
    assert data["item"].x_audio.tolist() == [[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]]
    assert data["item"].x_audio.dtype == torch.float32
    assert data.num_ignored_feature_rows == 1
    assert dataset.digest != TableDataset(FRAME, split_column="split").digest


def test_items_without_interactions_may_be_candidates() -> None:
    image = pd.DataFrame({"x": [1.0, 9.0]}, index=["gin", "ale"])
    items = ["tea", "rum", "gin", "ale", "tea"]
    data = TableDataset(FRAME, {"image": image}, items=items, split_column="split")[0]
    assert data["item"].id.tolist() == ["ale", "gin", "rum", "tea"]
    assert data["item"].x_image.tolist() == [[9.0], [1.0], [0.0], [0.0]]
    assert data.num_ignored_feature_rows == 0
    assert data[INTERACTS].edge_index.tolist() == [[0, 1, 1], [2, 1, 3]]
    data = TableDataset(FRAME, items=["tea", "rum", "gin"], split_column="split")[0]
    assert data["item"].id.tolist() == ["gin", "rum", "tea"]
    with pytest.raises(ValueError, match=r"'interactions', row 1: .*'items'"):
        TableDataset(FRAME, items=["tea", "gin"], split_column="split")


class Count(BaseTransform):
    num_calls = 0

    def forward(self, data: Any) -> Any:
        Count.num_calls += 1
        data["item"].count = torch.ones(data["item"].num_nodes)
        return data


def test_processed_data_is_stored_below_the_root(tmp_path: Path) -> None:
    for _ in range(2):
        dataset = TableDataset(
            FRAME, split_column="split", root=tmp_path, name="bar", pre_transform=Count()
        )
        assert dataset[0]["item"].count.tolist() == [1.0, 1.0, 1.0]
        assert dataset[0]["user"].id.tolist() == ["ann", "bob"]
        assert dataset[0].name == "bar"
    assert Count.num_calls == 1
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / "processed" / f"{dataset.digest}.safetensors"]


def test_the_frame_is_left_as_it_was() -> None:
    frame = FRAME.set_index(pd.Index([5, 5, 5, 1, 2, 3, 4]))
    copy = frame.copy()
    assert TableDataset(frame, split_column="split").digest == (
        TableDataset(FRAME, split_column="split").digest
    )
    pd.testing.assert_frame_equal(frame, copy)


def test_repeated_pairs_are_refused(tmp_path: Path) -> None:
    frame = pd.concat([FRAME, FRAME.iloc[[2]]])
    with pytest.raises(ValueError, match=r"'interactions', row 7: .*'interactions', row 2\b"):
        TableDataset(frame)
    frame.to_csv(tmp_path / "x.csv")
    with pytest.raises(ValueError, match=r"x\.csv, line 9: .*x\.csv, line 4\b"):
        TableDataset(tmp_path / "x.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_tables_that_cannot_be_right_are_refused() -> None:
    cases: list[tuple[pd.DataFrame, dict[str, Any], str]] = [
        (FRAME, {"user_column": "u"}, r"'interactions': .*'u' .*missing \(got \['user', "),
        (FRAME, {"split_column": "s"}, "'interactions': .*'s' .*missing"),
        (FRAME, {"split": "last", "time_column": "t"}, "'interactions': .*'t' .*missing"),
        (FRAME, {"user_column": "item"}, r"\(got \['item', 'item'\]\)"),
        (FRAME, {"split": "first"}, r"'split' .*\(got 'first'\)"),
        (FRAME, {"split_column": "day"}, r"'interactions', row 1: 'day' .*train, .*\(got '5'\)"),
        (FRAME.head(0), {}, "'interactions' .*no rows"),
        (FRAME.head(2), {}, r"'interactions' of 'table': .*val .*\(label 1\)"),
        (FRAME.assign(item=None), {}, "'interactions', row 0: .*missing"),
        (FRAME.assign(user=1.5), {}, r"'interactions', row 0: .*\(got 1.5\)"),
        (FRAME, {"features": {"image": (np.array([[np.nan]]), ["gin"])}}, r"\['image'\] .*NaN"),
    ]
    for frame, options, message in cases:
        with pytest.raises(ValueError, match=message):
            TableDataset(frame, **options)
