from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from soil_pyg.encoders.picture_files import find_pictures, read_picture


def test_pictures_that_are_named_after_the_items(things: pd.DataFrame, tmp_path: Path) -> None:
    files = find_pictures(things, tmp_path / "pictures")
    names = ["tea.png", "milk.jpg", "17.bmp", "rum.WEBP", "red.png", "broken.png", "cut.jpg"]
    assert files == [*(tmp_path / "pictures" / name for name in names), None]


def test_ids_do_not_lead_out_of_the_folder(tmp_path: Path, picture: Callable[..., Path]) -> None:
    (tmp_path / "inside").mkdir()
    picture(tmp_path / "tea.png")
    picture(tmp_path / "inside" / "milk.png")
    items = pd.DataFrame({"item": ["../tea", "milk"]})
    assert find_pictures(items, tmp_path / "inside") == [None, tmp_path / "inside" / "milk.png"]


def test_column_of_paths(tmp_path: Path) -> None:
    values = ["tea.png", str(tmp_path / "milk.png"), None, np.nan, "", Path("rum.png")]
    items = pd.DataFrame({"item": range(6), "image": values})
    absolute = tmp_path / "milk.png"
    files = find_pictures(items, "image")
    assert files == [Path("tea.png"), absolute, None, None, None, Path("rum.png")]
    files = find_pictures(items, "image", tmp_path / "root")
    assert files[:2] == [tmp_path / "root" / "tea.png", absolute]


def test_paths_in_a_column_may_lack_the_suffix(
    tmp_path: Path, picture: Callable[..., Path]
) -> None:
    """Ids of another table are numbers, of floating point if some are missing."""
    for name in ("862.JPG", "8844.png", "1.jpg"):
        picture(tmp_path / name)
    items = pd.DataFrame({"item": [1, 2, 3, 4], "other": [862.0, 8844.0, np.nan, 1.5]})
    found = [tmp_path / "862.JPG", tmp_path / "8844.png", None, None]
    assert find_pictures(items, "other", tmp_path) == found
    names = pd.DataFrame({"item": [1, 2, 3], "name": ["862.jpg", "8844", "2.png"]})
    assert find_pictures(names, "name", tmp_path) == [*found[:2], tmp_path / "2.png"]


def test_column_comes_before_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("image").mkdir()
    items = pd.DataFrame({"item": [1], "image": ["tea.png"]})
    assert find_pictures(items, "image") == [Path("tea.png")]


def test_neither_column_nor_folder(tmp_path: Path) -> None:
    items = pd.DataFrame({"item": [1]})
    (tmp_path / "file").touch()
    for source in ("photo", tmp_path / "file"):
        with pytest.raises(ValueError, match=rf"'{source}' .*'items' \(--items\).*\['item'\]"):
            find_pictures(items, source)


def test_column_without_a_path() -> None:
    items = pd.DataFrame({"item": [1, 2], "image": [None, ""]})
    with pytest.raises(ValueError, match="'image'"):
        find_pictures(items, "image")


def test_folder_without_pictures_of_the_items(tmp_path: Path, picture: Callable[..., Path]) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=rf"'{tmp_path}' .*\(\.jpg, "):
        find_pictures(pd.DataFrame({"item": ["tea"]}), tmp_path)
    picture(tmp_path / "IMG_1.png")
    with pytest.raises(ValueError, match=rf"'{tmp_path}' .*'IMG_1.png'.*'tea'"):
        find_pictures(pd.DataFrame({"item": ["tea"]}), tmp_path)


def pixel(path: Path) -> tuple[int, ...]:
    return read_picture(path).getpixel((0, 0))


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "I;16", "LA", "RGBA"])
def test_every_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    image = Image.new("RGBA", (3, 2), "white").convert("RGB")
    image = Image.new("I;16", (3, 2), 65535) if mode == "I;16" else image.convert(mode)
    image.save(tmp_path / "white.tif")
    read = read_picture(tmp_path / "white.tif")
    assert (read.mode, read.size) == ("RGB", (3, 2))
    assert pixel(tmp_path / "white.tif") == (255, 255, 255)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_values_of_16_bits_are_scaled(suffix: str, tmp_path: Path) -> None:
    Image.new("I;16", (3, 2), 30_000).save(path := tmp_path / f"grey.{suffix}")
    assert pixel(path) == (117, 117, 117)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_values_without_a_range_are_refused(mode: str, tmp_path: Path) -> None:
    Image.new(mode, (3, 2), 30_000).save(path := tmp_path / "x.tif")
    with pytest.raises(ValueError, match=r"32 bits.*save it with 8 bits"):
        read_picture(path)


def test_transparent_is_white(tmp_path: Path) -> None:
    Image.new("RGBA", (3, 2), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert pixel(tmp_path / "clear.png") == (255, 255, 255)


def test_picture_is_turned_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 2), "red")
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").size == (2, 4)


def test_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    assert pixel(tmp_path / "film.gif") == (255, 0, 0)


def test_unreadable_pictures(things: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    for name, reason in {
        "pictures/broken.png": "^not a picture$",
        "pictures/cut.jpg": "(?i)truncated",
        "absent.png": "^No such file or directory$",
        "empty.png": "^not a picture$",
    }.items():
        with pytest.raises(ValueError, match=reason):
            read_picture(tmp_path / name)


def test_every_cut_is_unreadable_or_a_picture(tmp_path: Path, picture: Callable[..., Path]) -> None:
    for suffix in ("png", "jpg", "gif", "webp", "bmp", "tif"):
        whole = picture(tmp_path / f"whole.{suffix}", size=(16, 16)).read_bytes()
        for length in range(0, len(whole), max(1, len(whole) // 40)):
            (tmp_path / "cut").write_bytes(whole[:length])
            with suppress(ValueError):
                assert read_picture(tmp_path / "cut").mode == "RGB"


def test_gigantic_picture(
    tmp_path: Path, picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="decompression bomb"):
        read_picture(picture(tmp_path / "bomb.png"))
