"""Folders of MovieLens against pandas."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import soil_pyg
from soil_pyg.cli import main
from soil_pyg.datasets import MultimodalDataset
from soil_pyg.datasets.data_folder import load_data_folder
from soil_pyg.datasets.movielens_folder import GENRES, read_movies, read_ratings
from soil_pyg.typing import EDGE_INDICES, INTERACTS

RATINGS = pd.DataFrame(
    [(u, i, 1 + (u * i) % 5, 978_300_000 + 60 * u + i) for u in range(1, 9) for i in range(1, 8)],
    columns=["user", "item", "rating", "timestamp"],
)
MOVIES = pd.DataFrame(
    {
        "item": range(1, 9),
        "title": [f'Amélie: "{i}", or not (2001)' for i in range(1, 9)],
        "genres": [["Comedy|Romance", "Drama"][i % 2] for i in range(8)],
    }
)
Write = Callable[[Path], None]


def write_csv(folder: Path) -> None:
    names = ["userId", "movieId", "rating", "timestamp"]
    RATINGS.set_axis(names, axis="columns").to_csv(folder / "ratings.csv", index=False)
    names = ["movieId", "title", "genres"]
    MOVIES.set_axis(names, axis="columns").to_csv(folder / "movies.csv", index=False)


def write_dat(folder: Path) -> None:
    for name, frame in (("ratings", RATINGS), ("movies", MOVIES)):
        lines = ["::".join(map(str, row)) for row in frame.itertuples(index=False)]
        (folder / f"{name}.dat").write_text("\n".join(lines) + "\n", encoding="latin-1")


def write_100k(folder: Path) -> None:
    RATINGS.to_csv(folder / "u.data", sep="\t", header=False, index=False)
    lines = []
    for item, title, genres in MOVIES.itertuples(index=False):
        flags = [str(int(name in genres.split("|"))) for name in GENRES]
        lines.append("|".join([str(item), title, "01-Jan-2001", "", "http://a/b?c", *flags]))
    (folder / "u.item").write_text("\n".join(lines) + "\n", encoding="latin-1")


WRITERS = {"since 2013": write_csv, "1M": write_dat, "100K": write_100k}


@pytest.fixture(params=WRITERS.values(), ids=WRITERS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    out = tmp_path / "ml"
    out.mkdir()
    request.param(out)
    return out


def test_tables_of_all_forms_are_the_same(folder: Path) -> None:
    (ratings,) = folder.glob("*data") if (folder / "u.data").exists() else folder.glob("ratings.*")
    (movies,) = folder.glob("u.item") if (folder / "u.data").exists() else folder.glob("movies.*")
    table = read_ratings(ratings, "user", "item")
    pd.testing.assert_frame_equal(table.frame.astype(str), RATINGS.astype(str), check_dtype=False)
    header = ratings.suffix == ".csv"
    assert table.where(2) == f"{ratings}, line {3 + header}"
    found = read_movies(movies, "item").frame
    pd.testing.assert_frame_equal(found.astype(str), MOVIES.astype(str), check_dtype=False)


def test_a_folder_is_prepared(folder: Path, tmp_path: Path) -> None:
    prepared = soil_pyg.prepare(folder, tmp_path / "DATA", min_rating=3, split="last")
    kept = RATINGS[RATINGS["rating"] >= 3]
    assert prepared["counts"]["users"] == kept["user"].nunique()
    data = load_data_folder(tmp_path / "DATA")
    held_out = data[INTERACTS].test_edge_label_index
    last = {
        str(data["user"].id[user]): str(data["item"].id[item])
        for user, item in held_out.t().tolist()
    }
    expected = kept.sort_values("timestamp").groupby("user")["item"].last()
    assert last == {str(user): str(item) for user, item in expected.items()}
    items = pd.read_parquet(tmp_path / "DATA" / "items.parquet")
    titles = MOVIES.set_index("item")["title"]
    assert items["title"].tolist() == titles.loc[items["item"].astype(int)].tolist()
    assert set(prepared["sources"]) == {"interactions", "items"}


def test_posters_and_titles_are_encoded(folder: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    posters = tmp_path / "posters"
    posters.mkdir()
    for item in range(1, 7):
        image.new("RGB", (8, 8), (item * 30, 0, 0)).save(posters / f"{item}.png")
    embed = ["text=title,genres:tfidf", f"image={posters}:colour-histogram"]
    out = str(tmp_path / "DATA")
    assert main(["prepare", str(folder), "--out", out, "--embed", *embed]) == 0
    data = load_data_folder(out)
    missing = (data["item"].x_image == 0).all(dim=1)
    assert missing.tolist() == [item not in range(1, 7) for item in data["item"].id]
    assert not (data["item"].x_text == 0).all(dim=1).any()


def test_ratings_alone_are_enough(folder: Path, tmp_path: Path) -> None:
    for name in ("movies.csv", "movies.dat", "u.item"):
        (folder / name).unlink(missing_ok=True)
    prepared = soil_pyg.prepare(folder, tmp_path / "DATA")
    assert prepared["counts"]["items"] == 7
    assert set(prepared["sources"]) == {"interactions"}


WRONG = {
    "a field too few": ("3::4::5\n", "line 3: there must be 4 fields with '::' .*got 3"),
    "an empty line": ("\n", "line 3: 'user' is missing"),
    "no rating": ("3::4::::978300000\n", "line 3: 'rating' is missing"),
    "a word": ("3::4::good::978300000\n", "line 3: 'rating' must be a finite number"),
    "no user": ("::4::5::978300000\n", "line 3: "),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_lines_are_named(tmp_path: Path, kind: str) -> None:
    line, message = WRONG[kind]
    (tmp_path / "ml").mkdir()
    path = tmp_path / "ml" / "ratings.dat"
    path.write_text(f"1::1::5::978300000\n1::2::5::978300000\n{line}1::3::5::978300000\n")
    with pytest.raises(ValueError, match=f"ratings.dat, {message}"):
        soil_pyg.prepare(tmp_path / "ml", tmp_path / "DATA", min_rating=1)


def test_titles_that_end_with_a_colon_and_empty_lines_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "movies.dat"
    path.write_text("1::Mission: Impossible:::Action\n2::::Drama\n3::M::\n\n\n")
    found = read_movies(path, "item").frame.fillna("")
    assert found.to_numpy().tolist() == [
        ["1", "Mission: Impossible:", "Action"],
        ["2", "", "Drama"],
        ["3", "M", ""],
    ]


def test_given_tables_and_columns_come_first(folder: Path, tmp_path: Path) -> None:
    items = pd.DataFrame({"item": range(1, 8), "title": list("abcdefg")})
    soil_pyg.prepare(folder, tmp_path / "DATA", items=items)
    found = pd.read_parquet(tmp_path / "DATA" / "items.parquet")
    assert found["title"].tolist() == list("abcdefg")
    with pytest.raises(ValueError, match=r"'stars' is missing .*--rating-column"):
        soil_pyg.prepare(folder, tmp_path / "NEW", rating_column="stars", min_rating=3)
    with pytest.raises(ValueError, match="'user_column'"):
        soil_pyg.prepare(folder, tmp_path / "NEW", user_column="userId")


def test_the_pairs_of_the_benchmark(real_data: Path, tmp_path: Path) -> None:
    """Ratings of at least 4 and their 5-core, against the pairs that someone else selected."""
    out = tmp_path / "DATA"
    soil_pyg.prepare(real_data / "mls_raw", out, min_rating=4, k_core=5)
    data, expected = load_data_folder(out), MultimodalDataset(real_data, "mls")[0]

    def pairs(found, user_id, item_id) -> set[tuple[int, int]]:
        edges = np.concatenate([found[INTERACTS][name].numpy() for name in EDGE_INDICES], axis=1)
        return set(zip(user_id[edges[0]].tolist(), item_id[edges[1]].tolist(), strict=True))

    original = [
        pd.read_csv(real_data / "mls" / f"{kind}_id_mapping.csv", sep="\t").iloc[:, 0].to_numpy()
        for kind in ("u", "i")
    ]
    assert pairs(data, data["user"].id, data["item"].id) == pairs(expected, *original)
