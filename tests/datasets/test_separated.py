from pathlib import Path

import pandas as pd
import pytest

from soil_pyg.datasets.frames import Table, read_table


def read(folder: Path, name: str, content: str, columns: list[str] | None = None) -> Table:
    (folder / name).write_bytes(content.encode())
    return read_table(folder / name, "x", ["user", "item"], columns)


def rows(table: Table) -> list[list[str]]:
    return table.frame.fillna("").to_numpy().tolist()


@pytest.mark.parametrize(
    ("name", "delimiter"),
    [
        ("x.csv", ","),
        ("x.CSV", ";"),
        ("x.Csv", "\t"),
        ("x.tsv", "\t"),
        ("x.TSV", "\t"),
        ("x.inter", "\t"),
        ("x.txt", "\t"),
        ("x.txt", ","),
        ("x.TXT", ";"),
    ],
)
def test_the_header_decides_on_the_delimiter(name: str, delimiter: str, tmp_path: Path) -> None:
    content = "user,item,note\nann,tea,x\n".replace(",", delimiter)
    assert rows(read(tmp_path, name, content)) == [["ann", "tea", "x"]]


@pytest.mark.parametrize("name", ["x.tsv", "x.inter"])
def test_tabs_are_the_only_delimiter_of_such_files(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{name}, line 1: .*'user'"):
        read(tmp_path, name, "user,item\nann,tea\n")


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        (['"half', "b", '"another', "d"], None),
        (["a", '12" pipe', '"all"', '""'], None),
        (['"', "b", "c", "d"], None),
        (['"a" b', "c", "d", "e"], None),
        (['"two\nlines"', "b", "c", "d"], ["two\nlines", "b", "c", "d"]),
        (['"a\ttab"', "b", '"c"', "d"], ["a\ttab", "b", "c", "d"]),
        (['"the ""best"" tea"', '"b"', "c", "d"], ['the "best" tea', "b", "c", "d"]),
    ],
)
def test_text_between_tabs_is_quoted_or_not(
    notes: list[str], expected: list[str] | None, tmp_path: Path
) -> None:
    lines = [f"u{i}\ti{i}\t{note}" for i, note in enumerate(notes)]
    table = read(tmp_path, "x.tsv", "user\titem\tnote\n" + "\n".join(lines))
    # Short texts such as two marks alone are missing only where they enclose nothing.
    assert table.frame["note"].tolist() == (notes if expected is None else expected)
    assert table.frame["user"].tolist() == [f"u{i}" for i in range(4)]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('user\titem\na\tb\nc\t"d"\n', 3),
        ('user\titem\n"a\tb\nc"\td\n', 2),
        ('user\titem\nx\ty\na\t"b\nc\td"\n', 3),
        ('user\titem\na\t"say \\"b\\""\n', 2),
    ],
)
def test_text_that_can_be_read_in_two_ways_is_refused(
    content: str, line: int, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=rf"x\.tsv, line {line}: "):
        read(tmp_path, "x.tsv", content)


def test_marks_in_columns_that_are_not_read_do_not_matter(tmp_path: Path) -> None:
    content = 'user\titem\tnote\na\tb\t"c"\n'
    assert rows(read(tmp_path, "x.tsv", content, [])) == [["a", "b"]]


def test_a_quoted_header_is_a_sign_of_quotes(tmp_path: Path) -> None:
    content = '"user"\t"item"\t"note"\n"a"\t"NA"\tNA\n"b"\t"c"\t"NA"\n'
    table = read(tmp_path, "x.tsv", content)
    assert rows(table) == [["a", "NA", ""], ["b", "c", "NA"]]
    table = read(tmp_path, "x.csv", '"user","item"\n"a","b"\nNA,"c"\n')
    with pytest.raises(ValueError, match=r"x\.csv, line 3: 'user' .*missing"):
        table.ids("user")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("after", ["", "\n", "\n\n"])
def test_lines_count_as_in_an_editor(end: str, after: str, tmp_path: Path) -> None:
    lines = ["user,item,note", "a,b,c", 'd,e,"one', "two", 'three"', ",f,g"]
    table = read(tmp_path, "x.csv", (("\n".join(lines)) + after).replace("\n", end))
    assert [table.where(i)[-6:] for i in range(3)] == ["line 2", "line 3", "line 6"]
    with pytest.raises(ValueError, match=r"x\.csv, line 6: 'user' .*missing"):
        table.ids("user")
    with pytest.raises(ValueError, match=r"x\.csv, line 7: .* 3 fields .*\(got 2 in 'x,y'\)"):
        read(tmp_path, "x.csv", "\n".join([*lines, "x,y", "a,b,c"]).replace("\n", end))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("\ufeff", "empty"),
        ("user,item\na,b\0\n", r"line 2: byte 4 \(0x00\)"),
        ('user,item\na,"b\nc,d\n', "line 2: .*quotation"),
        ('user,item\na,b\nc,"d" x\n', "line 3: .*quotation"),
        ("user,item\na,b\r\nc,d\n", "line 2: .*end"),
        ("user,item\na,b\rx\nc,d\n", "line 2: .*end"),
        ("user,item\na,b\n\nc\n", "line 4: .*got 1"),
        ("user,item,item\na,b,c\n", r"line 1: column 'item' .*twice"),
        (
            "user, item\na,b\n",
            r"line 1: column 'item' .*\(got \['user', ' item'\]; did you mean ' item'\?\)",
        ),
    ],
)
def test_text_that_is_no_table_is_refused(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"x\.csv.* {message}"):
        read(tmp_path, "x.csv", content)


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    for content in ("user,item", "user,item\n", "user,item\r\n"):
        table = read(tmp_path, "x.csv", content)
        with pytest.raises(ValueError, match=r"x\.csv has no rows"):
            table.refuse_empty()


def test_a_long_row_is_refused_or_read(tmp_path: Path) -> None:
    table = read(tmp_path, "x.csv", "user,item\n" + "a" * 2**20 + ",b\n" + "c,d\n" * 10)
    assert table.frame["user"].str.len().tolist() == [2**20, *[1] * 10]


def test_many_columns_are_read_in_their_order(tmp_path: Path) -> None:
    frame = pd.DataFrame([range(3000)], columns=["user", "item", *map(str, range(2998))])
    frame.to_csv(tmp_path / "x.csv", index=False)
    table = read_table(tmp_path / "x.csv", "x", ["user", "item"])
    assert list(table.frame.columns) == list(frame.columns)
    assert table.frame.iloc[0].tolist() == list(map(str, range(3000)))


def test_blanks_before_a_quoted_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.csv, line 3: .*remove the blanks before it"):
        read(tmp_path, "x.csv", 'user,item\nann,tea\nbob, "tea"\n')
    content = 'user,item,note\nann,tea, "fine"\nbob, tea,"green, fine"\n'
    assert rows(read(tmp_path, "x.csv", content))[1] == ["bob", " tea", "green, fine"]
