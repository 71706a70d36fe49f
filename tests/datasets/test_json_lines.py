import json
from pathlib import Path

import pytest

from soil_pyg.datasets.frames import read_table


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson", "json"])
def test_json_lines(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_text(
        '{"user": 7, "item": "2024-01-01", "day": "2024-05-06", "v": [1, 2]}\n'
        "\n"
        '{"item": "2024-01-02", "user": 8, "day": "2024-05-07", "other": null}\n'
    )
    table = read_table(path, "x", ["user", "item"], ["day"])
    assert set(table.frame.columns) == {"user", "item", "day"}
    assert table.frame["user"].tolist() == [7, 8]
    assert table.frame["item"].tolist() == ["2024-01-01", "2024-01-02"]
    assert table.frame["day"].tolist() == ["2024-05-06", "2024-05-07"]
    assert not table.is_text
    assert table.where(0) == f"{path}, line 1"
    assert table.where(1) == f"{path}, line 3"
    assert table.source == str(path)
    assert read_table(path, "x", ["user"]).frame["v"][0].tolist() == [1, 2]


def test_integers_are_exact_if_some_are_missing(tmp_path: Path) -> None:
    path, large = tmp_path / "x.jsonl", 2**53 + 1
    path.write_text(f'{{"user": 1, "n": {large}}}\n{{"user": 2, "n": null}}\n{{"user": 3}}\n')
    frame = read_table(path, "x", ["user"]).frame
    assert frame["n"].isna().tolist() == [False, True, True]
    assert int(frame["n"][0]) == large


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "x.jsonl is empty"),
        ("[1]\n", "x.jsonl, line 1: "),
        ('{"user": 1}\n\n{"user": 1\n', "x.jsonl, line 3: "),
        ('[{"user": 1},\n {"user": 2}]\n', "x.jsonl, line 1: "),
        ('{"item": 1}\n', r"x.jsonl: .*'user' .*missing \(got \['item'\]\)"),
        ("null\n", "x.jsonl, line 1: "),
        ('{"user": 1}\n7\n', "x.jsonl, line 2: "),
        ('{"user": 1} {"user": 2}\n', "x.jsonl, line 1: "),
        ('{"user": 1, "user": 2}\n', "x.jsonl, line 1: .*twice"),
        ('{"user": "\\ud800"}\n', "x.jsonl, line 1: "),
        ('{"user": ' + "9" * 5000 + "}\n", "x.jsonl, line 1: "),
        ("[" * 200_000, "x.jsonl, line 1: .*64 deep"),
        ('{"user": 1, "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "x.jsonl, line 1: .*64 deep"),
        ('{"user": ' * 65 + "1" + "}" * 65, "x.jsonl, line 1: .*64 deep"),
    ],
)
def test_json_lines_that_cannot_be_read_are_refused(
    content: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "x.jsonl").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / "x.jsonl", "x", ["user"])


def test_brackets_in_texts_are_not_nested(tmp_path: Path) -> None:
    texts = ["[" * 100, "{" * 100 + '\\"' + "[" * 100, "]" * 200 + "[" * 100]
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(json.dumps({"user": text, "v": [[1]] * 99}) for text in texts))
    assert read_table(path, "x", ["user"]).frame["user"].tolist() == texts


def test_ids_keep_their_types(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"user": 9007199254740993}\n{"item": 5}\n{"user": -3, "item": "007"}\n')
    table = read_table(path, "x", ["user", "item"])
    assert table.frame["user"].tolist() == [9007199254740993, None, -3]
    assert table.frame["item"].tolist() == [None, 5, "007"]
    assert table.where(2) == f"{path}, line 3"
