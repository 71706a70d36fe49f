import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from soil_pyg.datasets import MultimodalDataset, TableDataset
from soil_pyg.datasets.data_folder import load_data_folder, load_description, load_item_table
from soil_pyg.datasets.storage import save_data
from soil_pyg.encoders import ColourHistogramEncoder, TfidfEncoder
from soil_pyg.typing import EDGE_INDICES, INTERACTS, ITEM, SPLITS, USER, modalities_of
from soil_pyg.workflow.export import export_mmrec
from soil_pyg.workflow.prepare import prepare

USERS = [name for name in ("ann", "bob", "eve") for _ in range(5)]
THINGS = ["tea", "rum", "gin", "ale", "milk"] * 3
FRAME = pd.DataFrame(
    {
        "user": USERS,
        "item": THINGS,
        "stars": [5, 4, 3, 4, 5, 4, 4, 4, 4, 4, 1, 1, 5, 4, 2],
        "day": range(15),
    }
)
ITEMS = pd.DataFrame({"item": ["tea", "gin", "rum", "mate"], "title": ["Tea", "Gin", "Rum", "M"]})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "DATA"


class Lengths:
    name, version = "lengths", "1.0"

    def encode(self, items: pd.DataFrame) -> Any:
        return items["title"].str.len().astype(float).to_numpy()[:, None]


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "jsonl", "frame"])
def test_every_kind_of_table_gives_the_same_data(kind: str, tmp_path: Path, out: Path) -> None:
    source: Any = tmp_path / f"bar.{kind}"
    writers: dict[str, Callable[[], Any]] = {
        "csv": lambda: FRAME.to_csv(source, index=False),
        "tsv": lambda: FRAME.to_csv(source, index=False, sep="\t"),
        "parquet": lambda: FRAME.to_parquet(source),
        "jsonl": lambda: FRAME.to_json(source, orient="records", lines=True),
        "frame": lambda: None,
    }
    writers[kind]()
    if kind == "frame":
        source = FRAME
    prepare(source, out, name="bar")
    data = load_data_folder(out)
    assert data.digest == TableDataset(FRAME, name="bar")[0].digest
    assert data["user"].id.tolist() == ["ann", "bob", "eve"]
    assert data.name == "bar"


def test_the_folder_says_how_it_was_made(tmp_path: Path, out: Path) -> None:
    FRAME.to_csv(tmp_path / "bar.csv", index=False)
    np.save(tmp_path / "image.npy", np.array([[1, 0], [0, 2], [0, 0], [4, 4]]))
    prepared = prepare(
        tmp_path / "bar.csv",
        out,
        {"image": tmp_path / "image.npy", "text": Lengths()},
        items=ITEMS,
        rating_column="stars",
        min_rating=3,
        k_core=2,
        split="last",
        time_column="day",
    )
    assert load_description(out) == prepared
    assert prepared["name"] == "bar"
    assert prepared["read"] == {"users": 3, "items": 5, "pairs": 15}
    assert prepared["dropped"] == [
        {"why": "stars below 3", "users": 0, "items": 0, "pairs": 3},
        {"why": "repeated pairs", "users": 0, "items": 0, "pairs": 0},
        {"why": "fewer than 2 interactions", "users": 0, "items": 0, "pairs": 0},
        {"why": "users without training interactions", "users": 0, "items": 0, "pairs": 0},
    ]
    assert prepared["counts"] == {"users": 3, "items": 5, "train": 8, "val": 2, "test": 2}
    assert prepared["modalities"] == {
        "image": {"channels": 2, "missing": 3},
        "text": {
            **{"channels": 1, "missing": 2, "skipped": []},
            "encoder": {"name": "lengths", "version": "1.0"},
        },
    }
    assert prepared["ignored_feature_rows"] == 1
    assert prepared["items_without_row"] == 2
    assert prepared["arguments"]["features"] == {
        **{"image": str(tmp_path / "image.npy"), "text": "Lengths"}
    }
    assert prepared["arguments"]["items"] == "DataFrame"
    assert prepared["arguments"]["ratios"] == [0.8, 0.1, 0.1]
    assert list(prepared["sources"]) == ["interactions", "features.image"]
    assert len(prepared["sources"]["interactions"]["sha256"]) == 64
    data, items = load_data_folder(out), load_item_table(out)
    assert items is not None
    assert items["item"].tolist() == data["item"].id.tolist() == sorted(set(THINGS))
    assert items["title"].isna().tolist() == [True, False, True, False, False]
    assert data["item"].x_text.tolist() == [[0], [3], [0], [3], [3]]
    assert data["item"].x_image.tolist() == [[0, 0], [0, 2], [0, 0], [0, 0], [1, 0]]
    assert modalities_of(data) == ["image", "text"]


def test_every_kind_of_features(tmp_path: Path, out: Path) -> None:
    frame = pd.DataFrame({"item": ["gin", "tea", "mate"], "v": [[1, 2], None, [3, 4]]})
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("item,x,y\nrum,1,2\nale,,\n")
    np.save(tmp_path / "c.npy", np.eye(2))
    (tmp_path / "ids.txt").write_text("milk\ntea\n")
    features = {
        "a": tmp_path / "a.parquet",
        "b": str(tmp_path / "b.csv"),
        "c": tmp_path / "c.npy",
        "d": (torch.ones(1, 1), ["tea"]),
        "e": frame.drop(columns="v").assign(w=1.5),
    }
    prepared = prepare(FRAME, out, features, item_ids=tmp_path / "ids.txt")
    data = load_data_folder(out)
    assert data["item"].id.tolist() == ["ale", "gin", "milk", "rum", "tea"]
    assert data["item"].x_a.tolist() == [[0, 0], [1, 2], [0, 0], [0, 0], [0, 0]]
    assert data["item"].x_b.tolist() == [[0, 0], [0, 0], [0, 0], [1, 2], [0, 0]]
    assert data["item"].x_c.tolist() == [[0, 0], [0, 0], [1, 0], [0, 0], [0, 1]]
    assert data["item"].x_d.flatten().tolist() == [0, 0, 0, 0, 1]
    missing = {name: modality["missing"] for name, modality in prepared["modalities"].items()}
    assert missing == {"a": 4, "b": 4, "c": 3, "d": 4, "e": 3}


def test_splits(out: Path) -> None:
    columns: dict[str, Any] = {"time_column": "day", "overwrite": True}
    days = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 2, 3, 3, 4, 4]
    prepare(FRAME, out, split="last", **columns)
    data = load_data_folder(out)
    assert data["item"].id[data[INTERACTS].test_edge_label_index[1]].tolist() == ["milk"] * 3
    frame = FRAME.assign(day=FRAME["day"] % 5)
    prepare(frame, out, split="time", ratios=(0.6, 0.2, 0.2), **columns)
    counts = load_description(out)["counts"]
    assert counts == {"users": 3, "items": 5, "train": 9, "val": 3, "test": 3}
    prepare(FRAME.assign(day=days), out, split="time", ratios=(0.4, 0.3, 0.3), **columns)
    assert load_description(out)["dropped"][-1] == {
        **{"why": "users without training interactions", "users": 1, "items": 0, "pairs": 5}
    }
    labels = ["train", "val", "test", "train", "train"] * 3
    prepare(FRAME.assign(part=labels), out, split_column="part", overwrite=True)
    assert load_description(out)["counts"]["train"] == 9


@pytest.mark.parametrize("split", ["random", "last", "time"])
def test_days_as_times(out: Path, split: str) -> None:
    """The rows may come in any order, and the items of a day are held out whatever their ids."""
    rng = np.random.default_rng(0)
    pairs = [(user, item) for user in range(200) for item in rng.permutation(50)[:10]]
    frame = pd.DataFrame(pairs, columns=["user", "item"]).assign(day="2024-01-01")
    frame = pd.concat([frame, frame.sample(100, random_state=0)])
    options: dict[str, Any] = {"split": split, "name": "days", "overwrite": True}
    options["time_column"] = None if split == "random" else "day"
    digests = [
        prepare(frame.sample(frac=1, random_state=order), out, **options)["digest"]
        for order in range(3)
    ]
    assert len(set(digests)) == 1
    data = load_data_folder(out)
    user, item = data[INTERACTS].test_edge_label_index.numpy()
    largest = frame.groupby("user")["item"].max()
    share = (data["item"].id[item] == largest.loc[data["user"].id[user]]).mean()
    # Chance is a tenth, with a standard deviation of .021.
    assert 0.02 < share < 0.19
    assert prepare(frame, out, **options, seed=1)["digest"] != digests[0]


def test_data_may_take_the_place_of_the_data_it_continues(tmp_path: Path, out: Path) -> None:
    first = prepare(FRAME.head(10), out, name="bar")
    old = load_data_folder(out)
    with pytest.raises(ValueError, match=r"'overwrite' \(--overwrite\)"):
        prepare(FRAME, out, like=out)
    with pytest.raises(OSError, match="No space"):
        prepare(FRAME, out, {"text": Fails()}, like=out, overwrite=True)
    assert load_description(out) == first
    second = prepare(FRAME, out, like=out, overwrite=True)
    assert second["like"]["kept"] == {name: first["counts"][name] for name in SPLITS}
    assert sum(second["like"]["new"].values()) == 5
    data = load_data_folder(out)
    for name in EDGE_INDICES:
        pairs = [set(map(tuple, d[INTERACTS][name].t().tolist())) for d in (old, data)]
        assert {(u, data["item"].id[i]) for u, i in pairs[1] if u < 2} == {
            (u, old["item"].id[i]) for u, i in pairs[0]
        }
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_arguments_are_not_taken_for_files(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "last").touch()
    prepared = prepare(FRAME, out, split="last", time_column="day", seed=np.int64(3))
    assert [prepared["arguments"][name] for name in ("split", "seed")] == ["last", 3]


def test_repeated_pairs_are_merged_at_their_latest_time(out: Path) -> None:
    frame = pd.concat([FRAME, FRAME.head(1).assign(day=99)])
    prepared = prepare(frame, out, split="last", time_column="day")
    assert prepared["dropped"][0]["pairs"] == 1
    data = load_data_folder(out)
    user, item = data[INTERACTS].test_edge_label_index
    assert data["item"].id[item[user == 0].numpy()].tolist() == ["tea"]


def test_items_without_interactions_can_be_kept(out: Path) -> None:
    prepared = prepare(FRAME, out, {"text": Lengths()}, items=ITEMS, keep_items=True)
    data, items = load_data_folder(out), load_item_table(out)
    assert data["item"].id.tolist() == ["ale", "gin", "mate", "milk", "rum", "tea"]
    assert data["item"].x_text.flatten().tolist() == [0, 3, 1, 0, 3, 3]
    assert items is not None
    assert items["title"].tolist()[2] == "M"
    assert prepared["counts"]["items"] == 6
    integers = FRAME.assign(item=FRAME["item"].map({v: i for i, v in enumerate(set(THINGS))}))
    prepare(integers, out, items=ITEMS, keep_items=True, overwrite=True)
    assert load_data_folder(out)["item"].id.tolist()[:2] == ["0", "1"]


def test_a_folder_in_the_layout_of_mmrec(tmp_path: Path, out: Path) -> None:
    features = {"text": (np.array([[1.0], [2.0], [3.0]]), ["tea", "gin", "mate"])}
    items = ["mate", "nut", *THINGS[:5]]
    data = TableDataset(FRAME, features, items=items, seed=3)[0]
    export_mmrec(data, tmp_path / "bar")
    prepare(tmp_path / "bar", out)
    prepared, expected = load_data_folder(out), MultimodalDataset(tmp_path, "bar")[0]
    for key in EDGE_INDICES:
        assert prepared[INTERACTS][key].tolist() == expected[INTERACTS][key].tolist()
        assert prepared[INTERACTS][key].tolist() == data[INTERACTS][key].tolist()
    assert expected["item"].id.tolist() == list(range(7))
    for kind in (USER, ITEM):
        assert prepared[kind].id.tolist() == data[kind].id.tolist()
    assert prepared["item"].x_text.tolist() == expected["item"].x_text.tolist()
    assert prepared.name == "bar"
    description = prepare(tmp_path / "bar", out, k_core=2, overwrite=True)
    assert description["counts"]["items"] == 5
    assert prepare(tmp_path / "bar", out, split="random", seed=3, overwrite=True)["name"] == "bar"


def test_a_heterogeneous_graph(tmp_path: Path, out: Path) -> None:
    features = {"text": (np.array([[1.0], [2.0]]), ["tea", "gin"])}
    data = TableDataset(FRAME, features, items=["nut", *THINGS[:5]], name="bar")[0]
    save_data(data, tmp_path / "x.safetensors")
    prepare(tmp_path / "x.safetensors", out)
    assert load_data_folder(out).digest == data.digest


class Fails:
    name, version = "fails", "1"

    def encode(self, items: pd.DataFrame) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_wrong_options_are_refused_before_anything_is_read(tmp_path: Path, out: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"k_core": 0}, r"'k_core'.*\(got 0\)"),
        ({"seed": -1}, r"'seed'.*\(got -1\)"),
        ({"min_rating": 3}, r"'rating_column'.*'min_rating'.*\(got None and 3\)"),
        ({"rating_column": "stars"}, r"'rating_column'.*'min_rating'.*\(got 'stars' and None\)"),
        ({"time_column": "day"}, "'time_column'.*'last'.*'time'"),
        ({"user_column": "item"}, "'user_column', 'item_column'.*'item'"),
        ({"keep_items": True}, "'keep_items'.*'items'.*'k_core'"),
        ({"keep_items": True, "items": ITEMS, "k_core": 2}, "'keep_items'.*'items'.*'k_core'"),
        ({"ratios": (0.5, 0.5, 0.0)}, r"'ratios'.*0\.5, 0\.0"),
        ({"title_column": "name"}, r"'title_column'.*'items'.*\(got 'name'\)"),
        ({"image_column": "url"}, r"'image_column'.*'items'.*\(got 'url'\)"),
        ({"like": tmp_path / "no data"}, "no data'"),
    ]
    for options, message in cases:
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            prepare(tmp_path / "nowhere.csv", out, **options)


def test_bad_input_is_refused_and_leaves_nothing(tmp_path: Path, out: Path) -> None:
    np.save(tmp_path / "image.npy", np.ones((3, 2)))
    (tmp_path / "bad.parquet").write_text("no")
    (tmp_path / "latin.csv").write_bytes(b"user,item\nann,caf\xe9\n")
    (tmp_path / "empty.csv").write_text("user,item\n")
    (tmp_path / "stars.csv").write_text("user,item,stars\nann,tea,5\nann,rum,many\n")
    files = sorted(path.name for path in tmp_path.iterdir())
    stars: dict[str, Any] = {"rating_column": "stars", "min_rating": 3}
    data = TableDataset(FRAME)[0]
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (FRAME, {"user_column": "u"}, r"'u'.*'user_column' \(--user-column\)"),
        (FRAME, {"item_column": "i"}, r"'i'.*'item_column' \(--item-column\)"),
        (FRAME, {**stars, "rating_column": "s"}, r"'s'.*'rating_column' \(--rating-column\)"),
        (FRAME, {"split_column": "s"}, r"'s'.*'split_column' \(--split-column\)"),
        (tmp_path / "empty.csv", {}, r"empty\.csv"),
        (tmp_path / "latin.csv", {}, r"latin\.csv, line 2: .*\b8\b.*0xe9"),
        (tmp_path / "no.csv", {}, r"no\.csv"),
        (tmp_path / "bad.parquet", {}, r"bad\.parquet"),
        (tmp_path / "stars.csv", stars, r"stars\.csv, line 3: 'stars'.*'many'"),
        (data, {"split": "last", "time_column": "day"}, r"'day'.*'time_column' \(--time-column\)"),
        (data, stars, r"'stars'.*'rating_column' \(--rating-column\)"),
        (data, {"ratios": (0.6, 0.2, 0.2)}, r"'ratios' \(--ratios\).*\(0.6, 0.2, 0.2\)"),
        (FRAME, {"k_core": 6}, r"'k_core' \(--k-core\).*\b6\b.*\b15\b.*\b3\b"),
        (FRAME, {"features": {"image": tmp_path / "image.npy"}, "items": ITEMS},
         r"features\['image'\].*image\.npy.*\b3\b.*\b4\b"),
        (FRAME, {"features": {"image": "no.npy"}, "items": ITEMS}, r"no\.npy"),
        (FRAME, {"features": {"a.b": (np.ones((1, 1)), ["tea"])}}, r"'a\.b'"),
        (FRAME.head(2), {}, r"\bval\b"),
        (FRAME, {"name": "a/b"}, "'name'.*'a/b'"),
    ]  # fmt: skip
    for source, options, message in cases:
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            prepare(source, out, **options)
        assert sorted(path.name for path in tmp_path.iterdir()) == files


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    places = [
        "soil_pyg.datasets.storage.write_tensors",
        "pandas.DataFrame.to_parquet",
        "pathlib.Path.write_text",
    ]
    for place in places:
        with monkeypatch.context() as patch:
            patch.setattr(place, fail)
            with pytest.raises(OSError, match="No space left on device") as error:
                prepare(FRAME, out, items=ITEMS)
            assert error.value.filename == str(out)
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="No space"):
        prepare(FRAME, out, {"text": Fails()}, items=ITEMS)
    assert list(tmp_path.iterdir()) == []


def test_without_permission_to_write_nothing_is_done(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, *_: Any, **__: Any) -> None:
        if not path.exists():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(PermissionError) as error:
        prepare(tmp_path / "nowhere.csv", out)
    assert error.value.filename == str(out)
    assert list(tmp_path.iterdir()) == []


def test_a_million_rows_take_seconds(tmp_path: Path, out: Path) -> None:
    rng = np.random.default_rng(0)
    size = 10**6
    frame = pd.DataFrame({"user": rng.integers(0, 10**5, size), "day": np.arange(size)})
    frame["item"] = "p" + pd.Series(rng.integers(0, 10**4, size)).astype(str)
    start = time.perf_counter()
    prepared = prepare(frame, out, k_core=5, split="last", time_column="day")
    assert time.perf_counter() - start < 20
    assert sum(step["pairs"] for step in prepared["dropped"]) + sum(
        prepared["counts"][split] for split in SPLITS
    ) == len(frame)
    json.dumps(prepared)


class Odd(Lengths):
    notice = "another model is better"
    num_skipped, skipped = 2, ["a.png (empty)", "b.png (empty)"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"features": {"text": (np.ones((2, 3)), ["tea", "rum"])}}, [("modality 'text'", 3, 5)]),
        ({"features": {"text": (np.ones((3, 3)), ["tea", "rum", "gin"])}}, []),
        (
            {"features": {"text": pd.DataFrame({"item": ["tea", "x"], "a": [1, 1]})}},
            [("modality 'text'", 4, 5)],
        ),
        (
            {
                "features": {"text": (np.ones((9, 1)), [*"abcdefgh", "tea"])},
                "items": ITEMS[:2],
            },
            [("modality 'text'", 4, 5), ("row in the table of items", 3, 5)],
        ),
        ({"features": {"text": Lengths()}, "items": ITEMS}, []),
        (
            {"features": {"text": Odd()}, "items": ITEMS},
            [("another model is better",), ("text", 2, "a.png (empty), b.png (empty)")],
        ),
    ],
)
def test_what_most_items_lack_is_a_warning(
    options: dict[str, Any], expected: list[Any], out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepare(FRAME, out, **options)
    assert [record.args for record in caplog.records] == expected


@pytest.mark.parametrize("options", [{}, {"split": "time", "time_column": "day"}])
def test_nothing_is_held_out(tmp_path: Path, options: dict) -> None:
    frame = pd.DataFrame(
        {"user": ["ann"] * 4 + ["bob"], "item": [*"wxyz", "w"], "day": [1, 2, 3, 4, 9]}
    )
    prepared = prepare(frame, tmp_path / "data", ratios=(1, 0, 0), **options)
    assert prepared["counts"] == {"users": 2, "items": 4, "train": 5, "val": 0, "test": 0}
    assert load_data_folder(tmp_path / "data")[INTERACTS].test_edge_label_index.shape == (2, 0)


@pytest.mark.parametrize("column", [None, "photo"])
def test_encoded_pictures_are_those_of_the_items(tmp_path: Path, column: str | None) -> None:
    (tmp_path / "pictures").mkdir()
    for name in ("w", "x"):
        Image.new("RGB", (8, 8), "red").save(tmp_path / "pictures" / f"{name}.png")
    frame = pd.DataFrame({"user": ["ann"] * 3 + ["bob"] * 3, "item": [*"wxy"] * 2})
    items = pd.DataFrame({"item": [*"wxy"], "photo": ["w.png", "x.png", None]})
    source = column or tmp_path / "pictures"
    encoder = ColourHistogramEncoder(source, root=tmp_path / "pictures", cache=None)
    prepare(frame, tmp_path / "data", {"image": encoder}, items=items if column else None)
    table = load_item_table(tmp_path / "data")
    assert table is not None
    files = [str(tmp_path / "pictures" / f"{name}.png") for name in "wx"]
    assert table["image"].fillna("").tolist() == [*files, ""]


def test_a_file_whose_name_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on disks and in archives of other systems."""
    monkeypatch.chdir(tmp_path)
    file = os.fsdecode(b"k\xe4ufe.csv")
    FRAME.to_csv(file, index=False)
    assert prepare(file, "DATA")["name"] == r"k\udce4ufe"
    assert load_description("DATA")["sources"]["interactions"]["file"].endswith(file)
    assert load_data_folder("DATA").name == r"k\udce4ufe"
    with pytest.raises(ValueError, match=r"'out' must be a path in UTF-8 \(got .*d\\udce4'\)"):
        prepare(file, os.fsdecode(b"d\xe4"))


def test_later_data_that_is_filtered_otherwise_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frame = pd.concat([FRAME.assign(stars=5), FRAME.head(1).assign(user="low", stars=1)])
    filters: Any = {"rating_column": "stars", "min_rating": 4, "k_core": 2}
    prepare(frame, tmp_path / "DATA", **filters)
    for options, names in (
        (filters, None),
        ({}, "rating_column=stars, min_rating=4, k_core=2"),
        ({**filters, "k_core": 1}, "k_core=2"),
    ):
        caplog.clear()
        prepare(frame, tmp_path / "NEW", like=tmp_path / "DATA", overwrite=True, **options)
        found = [record.getMessage() for record in caplog.records if "unlike" in record.msg]
        expected = f"'{tmp_path / 'DATA'}' was prepared with {names}, unlike this data"
        assert found == ([] if names is None else [expected])


def test_features_that_later_data_changes_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = pd.DataFrame({"item": FRAME["item"].unique()})
    items["title"] = [f"title {i}" for i in range(len(items))]
    options: Any = {"items": items, "features": {"text": TfidfEncoder("title", channels=2)}}
    prepare(FRAME, tmp_path / "DATA", **options)
    assert "other items" not in caplog.text
    options["features"] = {"text": TfidfEncoder("title", channels=3)}
    prepare(FRAME, tmp_path / "NEW", like=tmp_path / "DATA", **options)
    assert f"text: fitted to other items than '{tmp_path / 'DATA'}'" in caplog.text


@pytest.mark.parametrize("is_same_folder", [False, True])
def test_later_items_have_the_words_of_earlier_ones(tmp_path: Path, is_same_folder: bool) -> None:
    ids = FRAME["item"].unique()
    items = pd.DataFrame({"item": ids, "title": [f"{n % 3} tea {n}" for n in range(len(ids))]})
    folder, encoder = tmp_path / "DATA", TfidfEncoder("title", channels=3)
    prepare(FRAME, folder, {"text": encoder}, items=items)
    first = load_data_folder(folder)[ITEM]
    later = pd.concat([FRAME, FRAME[:1].assign(item="zzz")])
    more = pd.DataFrame({"item": ["zzz"] * 2, "title": ["2 tea new"] * 2})
    items = pd.concat([items[::-1], more])
    for out in (folder if is_same_folder else tmp_path / "NEW", tmp_path / "LAST"):
        prepare(later, out, {"text": encoder}, items=items, like=folder, overwrite=True)
        found = load_data_folder(out)[ITEM]
        row = dict(zip(found.id, found.x_text, strict=True))
        assert all(torch.equal(row[i], x) for i, x in zip(first.id, first.x_text, strict=True))
        # A copy was fitted: the words of the given encoder are those of the last items.
        folder = out
    anew = encoder.encode(items.assign(title="other words"))
    assert anew.shape == (len(items), 1)


def test_ids_that_look_the_same_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = FRAME.copy()
    frame.loc[::2, "item"] += " "
    prepare(frame, tmp_path / "DATA")
    assert "ids of items look like another one, such as 'ale' and 'ale '" in caplog.text
    assert "of users look" not in caplog.text


def test_ids_that_mark_a_missing_one_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frame = FRAME.copy()
    frame["user"] = frame["user"].replace(frame["user"].iloc[0], "NULL")
    prepare(frame, tmp_path / "DATA")
    number = int((frame["user"] == "NULL").sum())
    assert f"The user 'NULL' has {number} interactions: drop these rows if" in caplog.text
