"""Atomic files of RecBole against pandas."""

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

import soil_pyg
from soil_pyg.cli import main
from soil_pyg.datasets.atomic_files import atomic_fields, read_atomic_file
from soil_pyg.datasets.data_folder import load_data_folder
from soil_pyg.typing import INTERACTS

PAIRS = pd.DataFrame(
    [
        (f"u{u}", f"0{i}", 1 + (u * i) % 5, 978_300_000.5 + 60 * u + i)
        for u in range(6)
        for i in range(7)
    ],
    columns=["user_id:token", "item_id:token", "rating:float", "timestamp:float"],
)
ITEMS = pd.DataFrame(
    {
        "item_id:token": [f"0{i}" for i in range(8)],
        "movie_title:token_seq": [f'The "{i}"' for i in range(8)],
        "price:float": [i / 2 for i in range(8)],
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "shop"
    out.mkdir()
    write(PAIRS, out / "shop.inter")
    write(ITEMS, out / "shop.item")
    write(pd.DataFrame({"user_id:token": ["u0"], "age:token": [3]}), out / "shop.user")
    return out


def write(frame: pd.DataFrame, path: Path) -> None:
    lines = ["\t".join(map(str, row)) for row in [frame.columns, *frame.to_numpy().tolist()]]
    path.write_text("\n".join(lines) + "\n")


def test_fields(folder: Path, tmp_path: Path) -> None:
    fields = atomic_fields(folder / "shop.inter")
    assert fields == dict(
        zip(["user_id", "item_id", "rating", "timestamp"], PAIRS.columns, strict=True)
    )
    (tmp_path / "a.inter").write_text("userID\titemID\tx_label\n")
    (tmp_path / "b.csv").write_text("user_id:token\titem_id:token\n")
    assert [atomic_fields(tmp_path / name) for name in ("a.inter", "b.csv", "none")] == [{}] * 3
    table = read_atomic_file(folder / "shop.inter", "interactions", {"user_id": "user"}, ["rating"])
    assert list(table.frame) == ["user", "rating"]
    assert table.frame["user"].tolist() == PAIRS["user_id:token"].tolist()
    assert table.where(1) == f"{folder / 'shop.inter'}, line 3"


@pytest.mark.parametrize("source", ["shop", "shop/shop.inter"])
def test_a_folder_or_its_file_is_prepared(folder: Path, tmp_path: Path, source: str) -> None:
    out = tmp_path / "DATA"
    options = {"min_rating": 2, "split": "last", "title_column": "movie_title"}
    prepared = soil_pyg.prepare(tmp_path / source, out, **options)
    assert prepared["name"] == "shop"
    kept = PAIRS[PAIRS["rating:float"] >= 2]
    data = load_data_folder(out)
    assert list(data["user"].id) == sorted(kept["user_id:token"].unique())
    users, items = data[INTERACTS].test_edge_label_index.tolist()
    last = {data["user"].id[u]: data["item"].id[i] for u, i in zip(users, items, strict=True)}
    by_time = kept.sort_values("timestamp:float").groupby("user_id:token")["item_id:token"]
    assert last == by_time.last().to_dict()
    saved = pd.read_parquet(out / "items.parquet")
    titles = ITEMS.set_index("item_id:token")["movie_title:token_seq"]
    assert saved["title"].tolist() == titles.loc[saved["item"]].tolist()
    assert "price" in saved


def test_wrong_files_are_named(folder: Path, tmp_path: Path) -> None:
    path = folder / "shop.inter"
    right = path.read_text()
    wrong = {
        right.replace("u0\t03\t1", "u0\t03\tgood"): "shop.inter, line 5: 'rating' must be",
        right.replace("u0\t03\t1\t", "u0\t03\t"): "shop.inter, line 5",
        right.replace("rating:float", "stars:float"): "'rating_column'",
        right.replace("user_id:token", "uid:token"): "'user_id' is missing",
    }
    for text, message in wrong.items():
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            soil_pyg.prepare(folder, tmp_path / "DATA", min_rating=2)
    path.write_text(right)
    with pytest.raises(ValueError, match="'stars' is missing"):
        soil_pyg.prepare(folder, tmp_path / "DATA", min_rating=2, rating_column="stars")


@pytest.mark.parametrize("source", ["shop", "shop/shop.inter"])
def test_pictures_lie_beside_the_table_of_items(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    (folder / "pictures").mkdir()
    names = [f"pictures/{place}.png" for place in range(len(ITEMS))]
    for name in names:
        Image.new("RGB", (8, 8), "red").save(folder / name)
    write(ITEMS.assign(**{"image:token": names}), folder / "shop.item")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    argv = ["prepare", str(tmp_path / source), "--out", "data", "--embed-cache", "cache"]
    assert main([*argv, "--embed", "image=image:colour-histogram"]) == 0
    saved = pd.read_parquet("data/items.parquet")
    place = dict(zip(ITEMS["item_id:token"], names, strict=True))
    assert saved["image"].tolist() == [str(folder / place[item]) for item in saved["item"]]
    assert load_data_folder("data")["item"].x_image.norm(dim=1).gt(0).all()
