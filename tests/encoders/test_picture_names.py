import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from soil_pyg.encoders.picture_files import find_pictures

Picture = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, picture: Picture) -> Path:
    """A folder of five pictures, named by ids of another catalogue; items 1 to 3 have theirs."""
    (tmp_path / "pictures").mkdir()
    for number in (1, 2, 3, 862, 8844):
        picture(tmp_path / "pictures" / f"{number}.jpg")
    return tmp_path / "pictures"


def items_with(values: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"item": [1, 2, 3, 7, 8], "title": list("abcde"), "poster": values})


@pytest.mark.parametrize(
    ("values", "num_named"),
    [
        (["862.jpg", "1.jpg", None, "3.jpg", "8844.jpg"], 4),
        ([None, None, None, None, "862.jpg"], 1),
        ([862, 8844, 1, 2, 3], 5),
        (["862", "8844", "1", "2", None], 4),
        ([862.0, 8844.0, 1.0, 2.0, float("nan")], 4),
        (["2.jpg", "1.jpg", "3.jpg", None, None], 3),
        (["2.JPG", "1.JPG", "3.JPG", None, None], 3),
    ],
)
@pytest.mark.parametrize("prefix", ["", "pictures/", "absolute"])
def test_a_folder_that_a_column_names_is_refused(
    folder: Path, values: list[Any], num_named: int, prefix: str
) -> None:
    """The error names both readings and what chooses each; both choices work."""
    if prefix:
        values = [
            None
            if pd.isna(value)
            else f"{prefix if prefix != 'absolute' else f'{folder}/'}{value}".removesuffix(".0")
            for value in values
        ]
    items, root = items_with(values), folder.parent
    with pytest.raises(ValueError, match=rf"'{folder}'.* 3 of .*'poster'.* {num_named}:") as error:
        find_pictures(items, folder, root)
    column, flag, template = re.findall(
        r"--embed image=(poster)( --image-folder \S+)?'.*--embed image=(\S+)'", str(error.value)
    )[0]
    chosen = find_pictures(items, column, flag.split()[-1] if flag else root)
    assert sum(file is not None and file.is_file() for file in chosen) == num_named
    by_id = [folder / f"{item}.jpg" if item < 7 else None for item in items["item"]]
    assert find_pictures(items, template, root) == by_id


@pytest.mark.parametrize(
    "values",
    [
        [None] * 5,
        ["1.jpg", "2.jpg", "3.jpg", None, None],
        ["pictures/1.jpg", None, None, None, "elsewhere/862.jpg"],
        [1999, 2, 2, 1, 1],
        ["https://host/9.jpg", "absent.jpg", "a\0b.jpg", "", " "],
        [True, True, False, False, True],
        [float("inf"), 0.5, 1.0, 1.0, 1.0],
        [["862.jpg"]] * 5,
    ],
)
def test_columns_that_name_no_other_pictures(folder: Path, values: list[Any]) -> None:
    """Numbers that repeat, such as years, are no names, nor are files of other folders."""
    by_id = [folder / f"{number}.jpg" for number in (1, 2, 3)]
    assert find_pictures(items_with(values), folder, folder.parent) == [*by_id, None, None]


@pytest.mark.parametrize(("column", "is_refused"), [("image", True), ("similar", False)])
def test_a_column_of_pictures_may_lack_suffixes(
    folder: Path, picture: Picture, column: str, is_refused: bool
) -> None:
    """As many names as ids are names of pictures in the column of pictures alone."""
    for name in ("a", "b", "c"):
        picture(folder / f"{name}.jpg")
    items = pd.DataFrame({"item": list("abc"), column: list("bca")})
    if is_refused:
        with pytest.raises(ValueError, match=f"3 of its pictures.*'{column}'.* 3:"):
            find_pictures(items, folder, folder)
    else:
        assert find_pictures(items, folder, folder) == [folder / f"{name}.jpg" for name in "abc"]


def test_a_column_of_flags_is_no_column_of_pictures(folder: Path) -> None:
    items = pd.DataFrame({"item": [1, 2, 3], "image": [1, 1, 2]})
    by_id = [folder / f"{number}.jpg" for number in (1, 2, 3)]
    assert find_pictures(items, folder, folder) == by_id


def test_a_column_of_absolute_paths_that_were_relative_to_the_root(folder: Path) -> None:
    """The table of items makes the paths of pictures absolute, as if they lay beside the table."""
    items = items_with([str(folder.parent / f"{n}.jpg") for n in (862, 8844, 1, 2, 3)])
    with pytest.raises(ValueError, match=f"image=poster --image-folder {folder}'"):
        find_pictures(items, folder, folder.parent)


def test_a_folder_whose_pictures_only_a_column_names(folder: Path) -> None:
    items = items_with(["862.jpg", "1.jpg", "2.jpg", "3.jpg", "8844.jpg"]).assign(
        item=list("abcde")
    )
    with pytest.raises(ValueError, match=r"0 of its pictures.*'poster'.* 5:"):
        find_pictures(items, folder)


def test_urls_that_end_in_pictures_of_other_items(folder: Path) -> None:
    urls = [f"https://shop.test/p/{n}.jpg?w=9" for n in (1, 2, 862, 8844, 7)]
    items = items_with(urls)
    with pytest.raises(ValueError, match=r"'862\.jpg'.*'poster'.*'--embed image=(\S+)'") as error:
        find_pictures(items, folder)
    template = re.findall(r"'--embed image=(\S+)'", str(error.value))[0]
    by_id = [folder / f"{item}.jpg" if item < 7 else None for item in items["item"]]
    assert find_pictures(items, template) == by_id
    # URLs of the items' own pictures, or of none in the folder, leave one reading.
    items["poster"] = [urls[0], urls[1], None, "https://shop.test/9.jpg", "http://[:broken"]
    assert find_pictures(items, folder) == by_id


def test_several_pictures_of_an_item(folder: Path, picture: Picture) -> None:
    picture(folder / "2.PNG")
    items = pd.DataFrame({"item": [1, 2]})
    with pytest.raises(ValueError, match=r"several .*\(2\.PNG, 2\.jpg\).*\{item\}"):
        find_pictures(items, folder)
    for suffix, name in {".png": None, ".PNG": None, ".jpg": "1.jpg"}.items():
        found = find_pictures(items, f"{folder}/{{item}}{suffix}")
        assert found == [name and folder / name, folder / f"2{suffix.replace('png', 'PNG')}"]
    # Pictures of other items may be there as often as they like.
    assert find_pictures(items[:1], folder) == [folder / "1.jpg"]
    with pytest.raises(ValueError, match="several"):
        find_pictures(pd.DataFrame({"item": [1], "name": ["2"]}), "name", folder)
    picture(folder / "2.JPG")
    with pytest.raises(ValueError, match=r"several .*\(2\.JPG, 2\.jpg\)"):
        find_pictures(items, f"{folder}/{{item}}.jpg")


def test_ids_may_be_names_of_pictures(folder: Path, picture: Picture) -> None:
    items = pd.DataFrame({"item": ["1.jpg", "2", "3.jpeg"], "poster": ["1.jpg", "2", None]})
    found = [folder / "1.jpg", folder / "2.jpg", None]
    assert find_pictures(items, folder) == find_pictures(items, "poster", folder) == found
    picture(folder / "1.jpg.png")
    with pytest.raises(ValueError, match=r"\(1\.jpg, 1\.jpg\.png\)"):
        find_pictures(items, folder)


def test_ids_with_slashes_have_no_picture(folder: Path) -> None:
    items = pd.DataFrame({"item": ["1", "pictures/2", "../pictures/3", "/3"]})
    assert find_pictures(items, folder) == [folder / "1.jpg", None, None, None]


@pytest.mark.parametrize("source", ["absent/{item}", "{item}.jpg/absent", "{other}"])
def test_templates_without_a_folder(source: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=f"'{re.escape(source)}' is neither"):
        find_pictures(pd.DataFrame({"item": [1]}), source)
