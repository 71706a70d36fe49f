"""The commands of "Data sets of others" run on small files in the form of the public ones."""

import gzip
import json
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from soil_pyg.cli import main
from soil_pyg.datasets.data_folder import load_data_folder
from soil_pyg.typing import modalities_of

PAGE = Path(__file__).parents[2] / "docs" / "own_data.rst"
PAIRS = [(u, i, 4 + (u + i) % 2, 1_600_000_000 + 100 * i + u) for u in range(9) for i in range(7)]
WORDS = ["Toy Story", "Jumanji", "Heat", "Casino", "Sabrina", "Persuasion", "Babe"]


def section() -> str:
    text = PAGE.read_text("utf-8")
    return text[text.index("Data sets of others\n---") : text.index("Production\n---")]


def commands() -> list[list[str]]:
    text = section().replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^   \$ soil-pyg (.+)$", text, re.MULTILINE)]


def json_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    encoders = import_module("soil_pyg.encoders.parse_encoder")
    monkeypatch.setattr(encoders, "is_installed", lambda module: False)
    for name in ("ml-latest-small", "ml-1m", "posters", "ml-100k", "data/baby"):
        Path(name).mkdir(parents=True)
    columns = ["userId", "movieId", "rating", "timestamp"]
    pd.DataFrame(PAIRS, columns=columns).to_csv("ml-latest-small/ratings.csv", index=False)
    movies = pd.DataFrame({"movieId": range(7), "title": WORDS, "genres": "Drama"})
    movies.to_csv("ml-latest-small/movies.csv", index=False)
    Path("ml-1m/ratings.dat").write_text("".join("::".join(map(str, p)) + "\n" for p in PAIRS))
    Path("ml-1m/movies.dat").write_text("".join(f"{i}::{w}::Drama\n" for i, w in enumerate(WORDS)))
    Image.new("RGB", (4, 4), "red").save("posters/3.jpg")

    reviews = [
        {
            "reviewerID": f"A{u}",
            "asin": f"B{i}",
            "overall": r,
            "unixReviewTime": t,
            "style": {"S": 1},
        }
        for u, i, r, t in PAIRS
    ]
    json_lines(Path("Baby_5.json.gz"), reviews)
    products = [
        {"asin": f"B{i}", "title": word, "brand": "X", "image": ["https://a/b.jpg"]}
        for i, word in enumerate(WORDS)
    ]
    json_lines(Path("meta_Baby.json.gz"), [*products, products[0]])
    reviews = [
        {
            "user_id": f"A{u}",
            "parent_asin": f"B{i}",
            "rating": r,
            "timestamp": 1000 * t,
            "images": [],
        }
        for u, i, r, t in PAIRS
    ]
    json_lines(Path("Baby_Products.jsonl.gz"), reviews)
    products = [
        {"parent_asin": f"B{i}", "title": word, "images": [{"large": "https://a"}], "price": None}
        for i, word in enumerate(WORDS)
    ]
    json_lines(Path("meta_Baby_Products.jsonl"), products)

    header = ["user_id:token", "item_id:token", "rating:float", "timestamp:float"]
    pd.DataFrame(PAIRS, columns=header).to_csv("ml-100k/ml-100k.inter", sep="\t", index=False)
    items = pd.DataFrame({"item_id:token": range(7), "movie_title:token_seq": WORDS})
    items.to_csv("ml-100k/ml-100k.item", sep="\t", index=False)
    labels = [(u, i, min(i // 2, 2)) for u, i, *_ in PAIRS]
    columns = ["userID", "itemID", "x_label"]
    pd.DataFrame(labels, columns=columns).to_csv("data/baby/baby.inter", sep="\t", index=False)
    return tmp_path


def test_the_commands(downloads: Path) -> None:
    found = {}
    for argv in commands():
        assert main(argv) == 0, argv
        out = argv[argv.index("--out") + 1]
        data = load_data_folder(out)
        file = Path(out) / "items.parquet"
        found[out] = sorted(modalities_of(data)), pd.read_parquet(file) if file.exists() else None
        assert data["user"].num_nodes >= 7
    assert {name: modalities for name, (modalities, _) in found.items()} == {
        "MLS": ["text"],
        "ML1M": ["image", "text"],
        "BABY": ["text"],
        "BABY_2023": [],
        "ML100K": ["text"],
        "MMREC_BABY": [],
    }
    for name in ("MLS", "ML1M", "BABY", "BABY_2023", "ML100K"):
        items = found[name][1]
        assert items is not None
        assert items["title"].tolist() == WORDS
        # No list of addresses is shown as a picture.
        assert ("image" in items) == (name == "ML1M")
