import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from soil_pyg.cli import main
from soil_pyg.datasets.data_folder import load_data_folder, load_description, load_item_table
from soil_pyg.encoders.colour_histogram_encoder import ColourHistogramEncoder
from soil_pyg.encoders.picture_files import read_picture

LINES = [f"{user},{item},{5 - item % 2},{item}" for user in ("ann", "bob") for item in range(6)]


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("bar.csv").write_text("\n".join(["user,item,stars,day", *LINES, "eve,0,1,9", "ann,0,5,7"]))
    Path("items.csv").write_text("item,name\n0,Tea\n1,Rum\n2,Gin\n9,Mate\n")
    np.save("image.npy", np.ones((4, 2)))
    frame = pd.DataFrame({"item": [0, 4], "vector": [[1.0, 2.0, 3.0]] * 2})
    frame.to_parquet("text.parquet")
    return tmp_path


def numbers_of(line: str) -> list[int]:
    return [int(number) for number in re.findall(r"\b\d+\b", line)]


def test_prepare(capfd: pytest.CaptureFixture[str]) -> None:
    argv = ["prepare", "bar.csv", "--out", "DATA", "--items", "items.csv", "--title-column", "name"]
    argv += ["--rating-column", "stars", "--min-rating", "2", "--split", "last"]
    argv += ["--time-column", "day", "--k-core", "2"]
    argv += ["--features", "image=image.npy", "text=text.parquet"]
    assert main(argv) == 0
    captured = capfd.readouterr()
    assert captured.out == ""
    warning, *lines = captured.err.splitlines()
    assert warning.startswith("warning: Most items have no modality 'text' (4 of 6)")
    assert [(line.split()[0], numbers_of(line)) for line in lines] == [
        ("read", [3, 6, 14]),
        ("dropped", [1, 0, 1, 2]),
        ("dropped", [0, 0, 1]),
        ("dropped", [0, 0, 0, 2]),
        ("dropped", [0, 0, 0]),
        ("left", [2, 6, 8, 2, 2]),
        ("features", [2, 3, 6]),
        ("features", [3, 4, 6]),
        ("ignored", [1]),
        ("missing", [3]),
        ("written", []),
    ]
    assert "2 users, 6 items, 8 train, 2 val, 2 test" in lines[5]
    assert (lines[6].split()[1], lines[7].split()[1]) == ("image:", "text:")
    assert lines[-1].split()[1] == "DATA"
    data, items = load_data_folder("DATA"), load_item_table("DATA")
    assert data["item"].id.tolist() == [0, 1, 2, 3, 4, 5]
    assert items is not None
    assert items["title"].tolist()[:3] == ["Tea", "Rum", "Gin"]


def test_features_may_be_named_one_by_one(refused: Callable[..., str]) -> None:
    argv = ["prepare", "bar.csv", "--out", "DATA", "--item-ids", "items.csv"]
    argv += ["--features", "image=image.npy", "--features", "text=text.parquet"]
    assert main([*argv, "--ratios", "0.6", "0.2", "0.2", "--seed", "3", "--name", "tea"]) == 0
    assert load_data_folder("DATA").name == "tea"
    assert "--overwrite" in refused(*argv)
    assert main([*argv, "--overwrite"]) == 0
    assert load_data_folder("DATA").name == "bar"


def test_later_data_keeps_the_split(
    capfd: pytest.CaptureFixture[str], refused: Callable[..., str]
) -> None:
    argv = ["prepare", "bar.csv", "--split", "last", "--time-column", "day", "--k-core", "2"]
    assert main([*argv, "--out", "DATA"]) == 0
    rows = [f"cid,{item},1,50" for item in range(4)]
    Path("bar.csv").write_text("\n".join([Path("bar.csv").read_text(), *rows]))
    capfd.readouterr()
    like = ["prepare", "bar.csv", "--like", "DATA"]
    assert main([*like, "--out", "DATA", "--overwrite"]) == 0
    lines = {line.split()[0]: numbers_of(line) for line in capfd.readouterr().err.splitlines()}
    assert (lines["kept"], lines["new"][1:]) == ([8, 2, 2], [1, 1])
    assert "gone" not in lines
    # All four pairs of the new user are of one day.
    assert lines["tied"][0] == 2
    options = (["--seed", "1"], ["--split", "time"], ["--ratios", "0.6", "0.2", "0.2"])
    for option in (*options, ["--split-column", "day"]):
        assert re.search(f"{option[0]}.*--like", refused(*like, "--out", "NEW", *option))
    assert "'nowhere'" in refused(*like[:-1], "nowhere", "--out", "NEW")
    assert not Path("NEW").exists()


def test_every_flag_that_is_wrong_is_one_line(files: Path, refused: Callable[..., str]) -> None:
    Path("latin.csv").write_bytes(b"user,item\nann,caf\xe9\n")
    Path("empty.csv").write_text("user,item\n")
    Path("bad.parquet").write_text("no")
    Path("stars.csv").write_text("user,item,stars\nann,tea,5\nann,rum,many\n")
    np.save("short.npy", np.ones((3, 2)))
    before = sorted(path.name for path in files.iterdir())
    out, items = ["--out", "DATA"], ["--items", "items.csv"]
    cases: list[tuple[list[str], str]] = [
        (["bar.csv"], "--out"),
        (["no.csv", *out], "no.csv"),
        (["bar.txt", *out], "bar.txt"),
        (["latin.csv", *out], r"latin.csv, line 2: .*\b8\b.*0xe9"),
        (["empty.csv", *out], "empty.csv"),
        (["bad.parquet", *out], "bad.parquet"),
        ([".", *out], ".inter"),
        (["bar.csv", *out, "--user-column", "who"], "'who'.*--user-column"),
        (["bar.csv", *out, "--item-column", "what"], "'what'.*--item-column"),
        (["bar.csv", *out, "--split-column", "what"], "'what'.*--split-column"),
        (["bar.csv", *out, "--split-column", "stars"], "line 2: 'stars'.*train"),
        (["bar.csv", *out, "--min-rating", "3"], "--rating-column.*--min-rating.*None.*3"),
        (["bar.csv", *out, "--min-rating", "x"], "--min-rating: .* x "),
        (
            ["stars.csv", *out, "--rating-column", "stars", "--min-rating", "3"],
            "stars.csv, line 3: 'stars'.*'many'",
        ),
        (["bar.csv", *out, "--split", "first"], "--split: .*'random'.*first"),
        (["bar.csv", *out, "--split", "last"], "'--time-column'"),
        (["bar.csv", *out, "--ratios", "0.9", "0", "0.1"], "'--ratios'"),
        (["bar.csv", *out, "--k-core", "7"], r"--k-core.*\b7\b.*\b13\b"),
        (["bar.csv", *out, "--features", "image.npy"], "'--features' must be NAME=FILE.*'image"),
        (["bar.csv", *out, "--features", "a=image.npy", "a=x"], "'--features'.*'a'"),
        (["bar.csv", *out, "--features", "a=image.npy"], "'--item-ids'"),
        (["bar.csv", *out, *items, "--features", "a=short.npy"], r"short.npy.*\b3\b"),
        (["bar.csv", *out, *items, "--features", "a=no.npy"], "no.npy"),
        (["bar.csv", *out, *items, "--title-column", "t"], "--title-column"),
        (["bar.csv", *out, "--items", "no.csv"], "'--items'.*no.csv"),
        (["bar.csv", "--out", "bar.csv"], "bar.csv'"),
        (["bar.csv", "--out", "."], re.escape(f"'{files}'")),
        (["bar.csv", *out, "--k-cor", "3"], "--k-cor 3"),
        (["bar.csv", *out, "--k-core", "3", "--k_core", "3"], "'--k-core'"),
        (["bar.csv", *out, "--name="], "'--name' must not be empty"),
    ]
    for argv, message in cases:
        assert re.search(message, refused("prepare", *argv)), argv
        assert sorted(path.name for path in files.iterdir()) == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_what_the_system_refuses_is_one_line(
    number: int,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[..., str],
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, "other words")

    before = sorted(path.name for path in files.iterdir())
    is_full = number == errno.ENOSPC
    place = "soil_pyg.datasets.storage.write_tensors" if is_full else "pathlib.Path.mkdir"
    monkeypatch.setattr(place, fail)
    error = refused("prepare", "bar.csv", "--out", "DATA", "--k-core", "2")
    assert error.startswith(f"soil-pyg prepare: '{files / 'DATA'}': {os.strerror(number)}; ")
    assert sorted(path.name for path in files.iterdir()) == before


def write_pictures(folder: str) -> None:
    Path(folder).mkdir()
    for item, colour in enumerate(("red", "blue", "white")):
        Image.new("RGB", (8, 8), colour).save(f"{folder}/{item}.png")
    Path(folder, "3.png").write_text("no picture")


def test_features_made_of_texts_and_pictures(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    write_pictures("pictures")
    argv = ["prepare", "bar.csv", "--out", "DATA", "--rating-column", "stars", "--min-rating", "2"]
    argv += ["--items", "items.csv", "--embed-cache", "cache"]
    argv += ["--embed", "name:text=name:tfidf", "image=pictures:colour-histogram"]
    assert main(argv) == 0
    captured = capfd.readouterr()
    assert captured.out == ""
    features = [line for line in captured.err.splitlines() if line.startswith("features ")]
    assert [(line.split()[1], numbers_of(line)) for line in features] == [
        ("name:", [3, 3, 6]),
        ("image:", [64, 3, 6]),
    ]
    assert "3.png" in caplog.text
    modalities = load_description("DATA")["modalities"]
    assert modalities["name"]["encoder"]["name"] == "tfidf"
    assert modalities["image"]["encoder"]["name"] == "colour-histogram"
    assert [text.split()[0] for text in modalities["image"]["skipped"]] == ["3.png"]
    assert list(Path("cache").iterdir())


def test_pictures_need_no_table_of_items() -> None:
    write_pictures("pictures")
    argv = ["prepare", "bar.csv", "--out", "DATA", "--rating-column", "stars", "--min-rating", "2"]
    argv += ["--embed-cache", "cache", "--embed", "image=pictures:colour-histogram"]
    assert main(argv) == 0
    assert load_data_folder("DATA")["item"].x_image.size() == (6, 64)


def test_pictures_of_a_column_begin_beside_the_table() -> None:
    Path("shop").mkdir()
    write_pictures("shop/pictures")
    Path("shop/items.csv").write_text("item,photo\n0,pictures/0.png\n1,pictures/1.png\n")
    argv = ["prepare", "bar.csv", "--rating-column", "stars", "--min-rating", "2"]
    argv += ["--items", "shop/items.csv", "--embed-cache", "cache"]
    argv += ["--embed", "image=photo:colour-histogram"]
    assert main([*argv, "--out", "DATA"]) == 0
    assert load_data_folder("DATA")["item"].x_image.any(dim=1).tolist() == [True] * 2 + [False] * 4
    assert main([*argv, "--out", "OTHER", "--image-folder", "no"]) == 2


@pytest.mark.parametrize(
    ("embed", "message"),
    [
        ("text", "--embed.*'text'"),
        ("photo=pictures", "--embed.*'photo=pictures'"),
        ("text=title:tfidf", "--items.*'title'.*'item', 'name'"),
        ("text=item:tfidf", "'item'"),
        ("image=nowhere:colour-histogram", "'nowhere'"),
        ("image=empty:colour-histogram", "'empty'"),
        ("image=broken:colour-histogram", "'broken'.*1.png"),
        ("image=pictures:no-such-model", "'no-such-model'"),
        ("image=pictures:./no.pth", "no.pth"),
        ("image=pictures:items.csv", "items.csv"),
    ],
)
def test_wrong_encoders(embed: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    write_pictures("pictures")
    Path("empty").mkdir()
    Path("broken").mkdir()
    Path("broken/1.png").write_text("no picture")
    argv = ["prepare", "bar.csv", "--out", "DATA", "--rating-column", "stars", "--min-rating", "2"]
    argv += ["--items", "items.csv", "--embed-cache", "cache", "--embed", embed]
    # A model that only timm could load is an extra that is missing.
    assert main(argv) in (1, 2)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.search(message, lines[0]) or "timm" in lines[0]
    assert not Path("DATA").exists()


@pytest.mark.parametrize(
    ("embed", "message"),
    [
        (["text=titel"], "'titel'.*choose another column"),
        (["text=name", "image=nowhere"], "'nowhere'"),
        (["text=name:tf-idf"], "'tf-idf'.*all-MiniLM-L6-v2, tfidf"),
        (["image=pictures:histogram"], "'histogram'.*efficientnet-lite0, colour-histogram"),
        (["image=pictures:colour-histogram"], r"two ways.*image=poster .*image=pictures/\{item\}'"),
        (["image=broken/{item}:colour-histogram", "text=titel"], "'titel'"),
    ],
)
def test_wrong_input_of_encoders_is_one_line(
    embed: list[str], message: str, refused: Callable[..., str]
) -> None:
    """Neither notices of encoders nor skipped pictures come before an error."""
    write_pictures("pictures")
    write_pictures("broken")
    Path("items.csv").write_text("item,name,poster\n0,Tea,1.png\n1,Rum,0.png\n2,Gin,\n")
    argv = ["prepare", "bar.csv", "--out", "DATA", "--rating-column", "stars", "--min-rating", "2"]
    argv += ["--items", "items.csv", "--embed-cache", "cache", "--embed", *embed]
    assert re.search(message, refused(*argv))
    assert not Path("DATA").exists()


@pytest.mark.parametrize(
    ("source", "pictures"),
    [
        (["image=pictures/{item}:colour-histogram"], ["0", "1", "2", None, None, None]),
        (
            ["image=poster:colour-histogram", "--image-folder", "pictures"],
            ["1", "0", None, None, None, None],
        ),
    ],
)
def test_each_reading_of_a_folder_of_pictures_can_be_chosen(
    source: list[str], pictures: list[str | None], caplog: pytest.LogCaptureFixture
) -> None:
    """Checks the warning about a modality that most items lack."""
    write_pictures("pictures")
    Path("pictures/3.png").unlink()
    Path("items.csv").write_text("item,poster\n0,1.png\n1,0.png\n2,\n")
    argv = ["prepare", "bar.csv", "--out", "DATA", "--rating-column", "stars", "--min-rating", "2"]
    argv += ["--items", "items.csv", "--embed-cache", "cache", "--embed", *source]
    assert main(argv) == 0
    x = load_data_folder("DATA")["item"].x_image
    expected = [
        np.zeros(64)
        if name is None
        else ColourHistogramEncoder("file").prepare(read_picture(f"pictures/{name}.png"))
        for name in pictures
    ]
    assert np.allclose(x.numpy(), expected)
    lacking = [record.args for record in caplog.records]
    num_missing = pictures.count(None)
    assert lacking == [("modality 'image'", num_missing, 6)] * (num_missing > 3)


def test_a_modality_is_given_once(refused: Callable[..., str]) -> None:
    argv = ["prepare", "bar.csv", "--out", "DATA", "--items", "items.csv"]
    argv += ["--features", "text=text.parquet", "--embed", "text=name:tfidf"]
    assert re.search("'--embed'.*'text'", refused(*argv))


def test_cache_that_cannot_be_written(refused: Callable[..., str]) -> None:
    write_pictures("pictures")
    argv = ["prepare", "bar.csv", "--out", "DATA", "--rating-column", "stars", "--min-rating", "2"]
    argv += ["--embed-cache", "bar.csv", "--embed", "image=pictures:colour-histogram"]
    assert "bar.csv" in refused(*argv)
    assert not Path("DATA").exists()
