import errno
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from soil_pyg.cli import main
from soil_pyg.datasets.data_folder import load_data_folder, load_description, load_item_table

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


def test_prepare(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["prepare", "bar.csv", "--out", "DATA", "--items", "items.csv", "--title-column", "name"]
    argv += ["--rating-column", "stars", "--min-rating", "2", "--split", "last"]
    argv += ["--time-column", "day", "--k-core", "2"]
    argv += ["--features", "image=image.npy", "text=text.parquet"]
    assert main(argv) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "read     3 users, 6 items, 14 pairs",
        "dropped  1 users, 0 items, 1 pairs: stars below 2",
        "dropped  0 users, 0 items, 1 pairs: repeated pairs",
        "dropped  0 users, 0 items, 0 pairs: fewer than 2 interactions",
        "dropped  0 users, 0 items, 0 pairs: users without training interactions",
        "left     2 users, 6 items, 8 training, 2 validation, 2 test pairs",
        "features image: 2 numbers an item, 3 of 6 items lack it",
        "features text: 3 numbers an item, 4 of 6 items lack it",
        "ignored  1 feature rows of other items",
        "missing  3 items are not in the item table",
        "written  DATA",
    ]
    data, items = load_data_folder("DATA"), load_item_table("DATA")
    assert data["item"].id.tolist() == [0, 1, 2, 3, 4, 5]
    assert items is not None
    assert items["title"].tolist()[:3] == ["Tea", "Rum", "Gin"]


def test_features_may_be_named_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["prepare", "bar.csv", "--out", "DATA", "--item-ids", "items.csv"]
    argv += ["--features", "image=image.npy", "--features", "text=text.parquet"]
    assert main([*argv, "--ratios", "0.6", "0.2", "0.2", "--seed", "3", "--name", "tea"]) == 0
    assert load_data_folder("DATA").name == "tea"
    assert main(argv) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*argv, "--overwrite"]) == 0
    assert load_data_folder("DATA").name == "bar"


def test_every_flag_that_is_wrong_is_one_line(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("latin.csv").write_bytes(b"user,item\nann,caf\xe9\n")
    Path("empty.csv").write_text("user,item\n")
    Path("bad.parquet").write_text("no")
    Path("stars.csv").write_text("user,item,stars\nann,tea,5\nann,rum,many\n")
    np.save("short.npy", np.ones((3, 2)))
    before = sorted(path.name for path in files.iterdir())
    out, items = ["--out", "DATA"], ["--items", "items.csv"]
    cases: list[tuple[list[str], str]] = [
        (["bar.csv"], "required: --out"),
        (["no.csv", *out], "there is no file no.csv"),
        (["bar.txt", *out], "there is no file bar.txt"),
        (["latin.csv", *out], "latin.csv, line 2: byte 8 (0xe9) is not UTF-8; save the file"),
        (["empty.csv", *out], "empty.csv has no rows"),
        (["bad.parquet", *out], "bad.parquet is not a Parquet table"),
        ([".", *out], ".inter: name a table, or a folder in the layout of MMRec"),
        (["bar.csv", *out, "--user-column", "who"], "column 'who' is missing"),
        (["bar.csv", *out, "--user-column", "who"], "(--user-column)"),
        (["bar.csv", *out, "--item-column", "what"], "(--item-column)"),
        (["bar.csv", *out, "--split-column", "what"], "(--split-column)"),
        (["bar.csv", *out, "--split-column", "stars"], "line 2: 'stars' must be one of train"),
        (["bar.csv", *out, "--min-rating", "3"], "(--rating-column)"),
        (["bar.csv", *out, "--min-rating", "x"], "--min-rating: expected float"),
        (
            ["stars.csv", *out, "--rating-column", "stars", "--min-rating", "3"],
            "stars.csv, line 3: 'stars' must be a number (got 'many')",
        ),
        (["bar.csv", *out, "--split", "first"], "--split: expected one of ['random'"),
        (["bar.csv", *out, "--split", "last"], "'time_column' belongs to the splits"),
        (["bar.csv", *out, "--ratios", "1", "0", "0"], "'ratios' must be three positive"),
        (["bar.csv", *out, "--k-core", "7"], "(--k-core) of 7 leaves none of 13 pairs"),
        (["bar.csv", *out, "--features", "image.npy"], "--features must be NAME=FILE"),
        (["bar.csv", *out, "--features", "a=image.npy", "a=x"], "--features names 'a' twice"),
        (["bar.csv", *out, "--features", "a=image.npy"], "give 'item_ids' (--item-ids) or"),
        (["bar.csv", *out, *items, "--features", "a=short.npy"], "short.npy has 3 rows, but"),
        (["bar.csv", *out, *items, "--features", "a=no.npy"], "there is no file no.npy"),
        (["bar.csv", *out, *items, "--title-column", "t"], "(--title-column)"),
        (["bar.csv", *out, "--items", "no.csv"], "'items': there is no file no.csv"),
        (["bar.csv", "--out", "bar.csv"], "bar.csv' is a file: choose another folder"),
        (["bar.csv", "--out", "."], "holds other files"),
        (["bar.csv", *out, "--k_core", "3"], "unrecognized arguments: --k_core 3"),
    ]
    for argv, message in cases:
        assert main(["prepare", *argv]) == 2, argv
        captured = capsys.readouterr()
        assert captured.out == ""
        assert message in captured.err
        assert captured.err.startswith("soil-pyg prepare: ")
        assert captured.err.count("\n") == 1
        assert sorted(path.name for path in files.iterdir()) == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_what_the_system_refuses_is_one_line(
    number: int,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, "other words")

    before = sorted(path.name for path in files.iterdir())
    is_full = number == errno.ENOSPC
    place = "soil_pyg.datasets.storage.write_tensors" if is_full else "pathlib.Path.mkdir"
    monkeypatch.setattr(place, fail)
    assert main(["prepare", "bar.csv", "--out", "DATA", "--k-core", "2"]) == 2
    error = capsys.readouterr().err
    reason = "No space left on device; make room" if is_full else "Permission denied; ask for"
    assert error.startswith(f"soil-pyg prepare: '{files / 'DATA'}': {reason}")
    assert error.count("\n") == 1
    assert sorted(path.name for path in files.iterdir()) == before


def write_pictures(folder: str) -> None:
    Path(folder).mkdir()
    for item, colour in enumerate(("red", "blue", "white")):
        Image.new("RGB", (8, 8), colour).save(f"{folder}/{item}.png")
    Path(folder, "3.png").write_text("no picture")


def test_features_made_of_texts_and_pictures(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    write_pictures("pictures")
    argv = ["prepare", "bar.csv", "--out", "DATA", "--rating-column", "stars", "--min-rating", "2"]
    argv += ["--items", "items.csv", "--embed-cache", "cache"]
    argv += ["--embed", "name:text=name:tfidf", "image=pictures:colour-histogram"]
    assert main(argv) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "features name: 3 numbers an item, 3 of 6 items lack it" in captured.err
    assert "features image: 64 numbers an item, 3 of 6 items lack it" in captured.err
    assert "1 of 4 pictures cannot be read and are skipped: 3.png (it is no" in caplog.text
    modalities = load_description("DATA")["modalities"]
    assert modalities["name"]["encoder"]["name"] == "tfidf"
    assert modalities["image"]["encoder"]["name"] == "colour-histogram"
    assert modalities["image"]["skipped"] == ["3.png (it is no picture)"]
    assert list(Path("cache").iterdir())


def test_pictures_need_no_table_of_items(capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures("pictures")
    argv = ["prepare", "bar.csv", "--out", "DATA", "--rating-column", "stars", "--min-rating", "2"]
    argv += ["--embed-cache", "cache", "--embed", "image=pictures:colour-histogram"]
    assert main(argv) == 0
    assert "features image: 64 numbers an item" in capsys.readouterr().err


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
        ("text", "an encoder (--embed) must be text=COLUMN[:MODEL]"),
        ("photo=pictures", "an encoder (--embed) must be text=COLUMN[:MODEL]"),
        ("text=title:tfidf", "(--items), has no column 'title' (got ['item', 'name'])"),
        ("text=item:tfidf", "column 'item' must hold texts"),
        (
            "image=nowhere:colour-histogram",
            "'nowhere' is neither a folder of pictures nor a column",
        ),
        ("image=empty:colour-histogram", "folder 'empty' has no pictures"),
        ("image=broken:colour-histogram", "none of the 1 pictures in 'broken' can be read: 1.png"),
        ("image=pictures:no-such-model", "model 'no-such-model' is no file or folder"),
        ("image=pictures:./no.pth", "model: there is no file or folder no.pth"),
        ("image=pictures:items.csv", "items.csv"),
    ],
)
def test_wrong_encoders(embed: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures("pictures")
    Path("empty").mkdir()
    Path("broken").mkdir()
    Path("broken/1.png").write_text("no picture")
    argv = ["prepare", "bar.csv", "--out", "DATA", "--rating-column", "stars", "--min-rating", "2"]
    argv += ["--items", "items.csv", "--embed-cache", "cache", "--embed", embed]
    # A model that only timm could load is an extra that is missing.
    assert main(argv) in (1, 2)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0] or "timm" in lines[0]
    assert not Path("DATA").exists()


def test_a_modality_is_given_once(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["prepare", "bar.csv", "--out", "DATA", "--items", "items.csv"]
    argv += ["--features", "text=text.parquet", "--embed", "text=name:tfidf"]
    assert main(argv) == 2
    assert "--embed names 'text', which has features already" in capsys.readouterr().err


def test_cache_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures("pictures")
    argv = ["prepare", "bar.csv", "--out", "DATA", "--rating-column", "stars", "--min-rating", "2"]
    argv += ["--embed-cache", "bar.csv", "--embed", "image=pictures:colour-histogram"]
    assert main(argv) == 2
    assert "bar.csv" in capsys.readouterr().err
    assert not Path("DATA").exists()
