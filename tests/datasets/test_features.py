import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from soil_pyg.datasets import features
from soil_pyg.datasets.features import read_features, to_features
from soil_pyg.utils import progress

ITEMS = np.array(["a", "b", "c"])
VALUES = {"c": [5.0, 6.0], "a": [1.0, 2.0]}
FRAME = pd.DataFrame(VALUES.values(), index=list(VALUES), columns=["x", "y"], dtype=np.float32)
EXPECTED = [[1.0, 2.0], [0.0, 0.0], [5.0, 6.0]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8])
def test_all_real_types_become_float32(dtype: type) -> None:
    result = to_features(np.arange(6, dtype=dtype).reshape(3, 2), "x", str)
    assert result.dtype == torch.float32
    assert result.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = np.arange(20.0).reshape(10, 2)
    monkeypatch.setattr(features, "_BLOCK_BYTES", 48)
    assert to_features(matrix, "x", str).tolist() == matrix.tolist()
    matrix[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"^x .*NaN .* 7\b"):
        to_features(matrix, "x", str)


def test_slow_matrices_show_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(features, "_BLOCK_BYTES", 1)
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    to_features(np.ones((3, 2)), "image_feat.npy", str)
    assert "image_feat.npy" in capsys.readouterr().err


def test_no_items_is_not_the_end() -> None:
    assert to_features(np.ones((0, 2)), "x", str).shape == (0, 2)


def write(kind: str, folder: Path) -> Any:
    named = FRAME.rename_axis("item")
    if kind == "frame":
        return FRAME
    if kind == "frame with column":
        return named.reset_index()
    if kind == "arrays":
        return FRAME.to_numpy(), list(FRAME.index)
    if kind == "tensor":
        return torch.tensor(FRAME.to_numpy()), FRAME.index
    if kind == "vectors":
        return pd.DataFrame({"vector": FRAME.to_numpy().tolist()}, index=FRAME.index)
    path = folder / f"features.{kind}"
    if kind == "parquet":
        named.to_parquet(path)
    else:
        named.to_csv(path, sep="\t" if kind == "tsv" else ",")
    return path


@pytest.mark.parametrize(
    "kind",
    ["frame", "frame with column", "arrays", "tensor", "vectors", "parquet", "csv", "tsv"],
)
def test_features_of_every_form_are_matched_by_id(kind: str, tmp_path: Path) -> None:
    result, num_ignored = read_features("image", write(kind, tmp_path), "item", ITEMS)
    assert result.dtype == torch.float32
    assert result.tolist() == EXPECTED
    assert num_ignored == 0


def test_vectors_in_a_parquet_file(tmp_path: Path) -> None:
    frame = pd.DataFrame({"item": list(VALUES), "vector": list(VALUES.values())})
    frame.to_parquet(tmp_path / "x.parquet")
    assert read_features("m", tmp_path / "x.parquet", "item", ITEMS)[0].tolist() == EXPECTED


@pytest.mark.parametrize(
    "vectors",
    [
        [[0, 0], [0.5, 0.25], [1.5, 1.0]],
        [None, [0.5, 0.25], [1.5, 1.0]],
        [[0, 0], np.array([0.5, 0.25], dtype=np.float16), (1.5, 1)],
        [np.zeros(2, dtype=int), torch.tensor([0.5, 0.25]).bfloat16(), [1.5, 1]],
    ],
)
def test_the_type_of_vectors_holds_all_of_them(vectors: list[Any]) -> None:
    frame = pd.DataFrame({"item": ["a", "b", "c"], "v": pd.Series(vectors, dtype=object)})
    result, _ = read_features("m", frame, "item", ITEMS)
    assert result.tolist() == [[0, 0], [0.5, 0.25], [1.5, 1]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([1], r"shape \(2,\),.*shape \(1,\)"),
        ([], r"shape \(2,\),.*shape \(0,\)"),
        (["a", "b"], r"\['a', 'b'\]"),
        ([None, 1], r"\[None, 1\]"),
        ([True, False], r"\[True, False\]"),
        ([1j, 1], r"\[1j, 1\]"),
        ([[1], [1, 2]], r"\[\[1\], \[1, 2\]\]"),
        ([2**70, 1], "1180591620717411303424"),
        ("0.5", "'0.5'"),
        (0.5, "0.5"),
    ],
)
def test_vectors_that_do_not_fit_are_named(wrong: Any, message: str) -> None:
    frame = pd.DataFrame({"v": [[1, 2], wrong, [3, 4]]}, index=list("abc"))
    with pytest.raises(ValueError, match=rf"features\['m'\].*row 1: 'v' .*{message}"):
        read_features("m", frame, "item", ITEMS)


FLOATS = [torch.bfloat16, torch.float16, torch.float32, torch.float64]
FLOATS += [torch.float8_e4m3fn, torch.float8_e5m2]


@pytest.mark.parametrize("dtype", [*FLOATS, torch.int8, torch.uint16, torch.int64])
def test_tensors_of_every_real_type(dtype: torch.dtype) -> None:
    values = torch.tensor([[1.0, 2.0], [0.0, 4.0]]).to(dtype)
    result, _ = read_features("m", (values, ["c", "a"]), "item", ITEMS)
    assert result.tolist() == [[0, 4], [0, 0], [1, 2]]


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.ones(2, 1, dtype=torch.complex64), "complex64"),
        (torch.ones(2, 1, dtype=torch.bool), "bool"),
        (torch.ones(2, 1).to_sparse(), "sparse_coo"),
        (torch.ones(2, 1, device="meta"), "dense"),
    ],
)
def test_other_tensors_are_refused(tensor: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=rf"features\['m'\] .*{message}"):
        read_features("m", (tensor, ["a", "b"]), "item", ITEMS)


def test_row_numbers_are_no_features(tmp_path: Path) -> None:
    frame = pd.DataFrame({"item": list("abc"), "v": [1.0, 2.0, 3.0]}).iloc[[2, 0]]
    frame.to_csv(tmp_path / "x.csv")
    frame.to_parquet(tmp_path / "x.parquet")
    read = pd.read_csv(tmp_path / "x.csv")
    for source, column in ((tmp_path / "x.csv", ""), (read, "Unnamed: 0")):
        with pytest.raises(ValueError, match=rf"features\['m'\]: column '{column}' .*name"):
            read_features("m", source, "item", ITEMS)
    assert read_features("m", tmp_path / "x.parquet", "item", ITEMS)[0].tolist() == [[1], [0], [3]]


def test_numbers_in_text_are_exact_and_named(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 50))
    frame = pd.DataFrame(values, index=pd.Index(list("abc"), name="item"))
    frame.to_csv(tmp_path / "x.TSV.gz", sep="\t")
    result, _ = read_features("m", tmp_path / "x.TSV.gz", "item", ITEMS)
    assert result.tolist() == values.astype(np.float32).tolist()
    for wrong in ("1,5", "inf", "0x1F", "1_0", "true"):
        (tmp_path / "x.csv").write_text(f"item;v\na;1\nb;{wrong}\n")
        with pytest.raises(ValueError, match=rf"x\.csv, line 3: 'v' .*\(got '{wrong}'\)"):
            read_features("m", tmp_path / "x.csv", "item", ITEMS)


def test_rows_of_other_items_are_ignored_with_a_count() -> None:
    matrix = np.array([[1.0], [np.nan], [3.0], [4.0]])
    result, num_ignored = read_features("m", (matrix, ["b", "x", "y", "c"]), "item", ITEMS)
    assert result.tolist() == [[0.0], [1.0], [4.0]]
    assert num_ignored == 2


def test_ids_match_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("item,v\n2,20\n10,100\nB7,0\n")
    result, _ = read_features("m", tmp_path / "x.csv", "item", np.array([1, 2, 10]))
    assert result.tolist() == [[0.0], [20.0], [100.0]]
    result, _ = read_features("m", (np.array([[5.0]]), [2]), "item", np.array(["02", "2"]))
    assert result.tolist() == [[0.0], [5.0]]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((np.ones((2, 1)), ["a"]), " 2 rows.* 1 "),
        ((np.ones((2, 1)), ["a", "a"]), "row 1: .*already"),
        ((np.ones((2, 1)), ["a", None]), "row 1: .*missing"),
        ((np.ones((2, 1)), [1.0, 2.0]), r"row 0: .*\(got 1.0\)"),
        ((np.ones((1, 1)), ["z"]), r"items .*\['a'\].* ids .*\['z'\]"),
        ((np.ones((1, 1, 1)), ["a"]), r"\(got shape \(1, 1, 1\)\)"),
        ((np.array([[{}]]), ["a"]), r"\(got type object\)"),
        ((np.array([[1.0], [np.inf]]), ["z", "b"]), "infinite .*item b"),
        ((np.ma.array([[1], [2]], mask=[[0], [1]]), ["z", "b"]), "NaN .*item b"),
        (
            pd.DataFrame({"v": [[1.0, 2], np.ma.array([1, 2], mask=[0, 1])]}, index=["a", "b"]),
            "NaN .*item b",
        ),
        (pd.DataFrame({"v": ["1"]}, index=["a"]), r"'v' .*\(got type (object|str)"),
        (pd.DataFrame({"v": [True]}, index=["a"]), r"'v' .*\(got type bool\)"),
        (pd.DataFrame({"v": [[1], [1, 2]]}, index=["a", "b"]), r"\(1,\).*\(2,\)"),
        (pd.DataFrame({"id": [1, 2], "v": 0.5}), r"index of ids: column 'item' .*missing .*'id'"),
        ((np.ones((2, 1)), {"a", "b"}), r"order of the rows \(got a set\)"),
        (pd.DataFrame(index=["a"]), "no column besides .item.: it must have columns of numbers"),
        (pd.DataFrame({"v": [1, None], "w": 2}, index=["a", "b"]), "NaN .*item b"),
        ("nowhere.csv", r"nowhere\.csv"),
    ],
)
def test_features_that_cannot_be_right_are_refused(source: Any, message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=rf"features\['m'\].*{message}"):
        read_features("m", source, "item", ITEMS)


def test_missing_values_in_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("item,v,w\na,1,\nb,1,2\n")
    with pytest.raises(ValueError, match=r"features\['m'\] .*NaN .*item a"):
        read_features("m", tmp_path / "x.csv", "item", ITEMS)


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "a\\b", "a\0b"])
def test_modalities_need_names(name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"features[{name!r}]: ") + ".*dots and slashes"):
        read_features(name, FRAME, "item", ITEMS)


def test_a_row_of_a_table_without_any_value_is_a_missing_modality(tmp_path: Path) -> None:
    item_id = np.array(["a", "b", "c"])
    (tmp_path / "x.csv").write_text("item,v,w\na,1,2\nb,,\nc,3,4\n")
    features, _ = read_features("m", tmp_path / "x.csv", "item", item_id)
    assert features.tolist() == [[1, 2], [0, 0], [3, 4]]
    frame = pd.DataFrame({"item": ["b", "a", "c"], "v": [None, [1, 2], np.array([3, 4])]})
    features, _ = read_features("m", frame, "item", item_id)
    assert features.tolist() == [[1, 2], [0, 0], [3, 4]]
