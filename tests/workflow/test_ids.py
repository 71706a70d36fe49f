from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg.workflow.ids import find_positions, select

ITEMS = np.array(["milk", "rum", "tea", "wine"])


def test_positions_in_the_order_given() -> None:
    assert find_positions(["tea", "milk", "tea"], ITEMS, "items", "item").tolist() == [2, 0, 2]


@pytest.mark.parametrize("ids", [["20", "5"], [20, 5], np.array([20, 5]), pd.Series(["20", "5"])])
def test_ids_are_compared_as_they_are_written(ids: object) -> None:
    assert find_positions(ids, np.array([5, 10, 20]), "users", "user").tolist() == [2, 0]


def test_no_ids() -> None:
    assert find_positions([], ITEMS, "deny", "item", may_be_empty=True).tolist() == []
    with pytest.raises(ValueError, match=r"'allow'.*\(got none\)"):
        find_positions([], ITEMS, "allow", "item")


def test_odd_ids_reach_their_rows(tmp_path: Path) -> None:
    known = np.array(["", "-1", "007", "7", "a,b", "nan", "two words", "\u00e9", " x"])
    positions = find_positions(known.tolist(), known, "users", "user")
    assert positions.tolist() == list(range(len(known)))
    (tmp_path / "ids.txt").write_text("\n".join(known[1:]) + "\n", "utf-8")
    assert find_positions(tmp_path / "ids.txt", known, "users", "user").tolist() == [*range(1, 9)]
    assert find_positions([7, np.int64(-1)], known, "users", "user").tolist() == [3, 1]


@pytest.mark.parametrize("value", [None, float("nan"), True, b"tea", ["tea"]])
def test_values_that_are_no_ids(value: object) -> None:
    with pytest.raises(ValueError, match="'items' must hold texts or numbers"):
        find_positions(["tea", value], ITEMS, "items", "item")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["gin"], "'allow'.* item 'gin' "),
        (["gin", "tea", "ale", "gin"], "'allow'.* item 'gin', 'ale' "),
        (list("abcde"), "'allow'.* item 'a', 'b', 'c' and 2 more "),
    ],
)
def test_unknown_ids_are_named(ids: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}.*'milk', 'rum', 'tea'"):
        find_positions(ids, ITEMS, "allow", "item")


def test_a_text_has_one_id_per_line(tmp_path: Path) -> None:
    path = tmp_path / "items.txt"
    path.write_bytes("\ufefftea\r\n\r\nmilk, whole\n".encode())
    known = np.array(["milk, whole", "tea"])
    assert find_positions(path, known, "deny", "item").tolist() == [1, 0]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_table_has_a_column_of_ids(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"items{suffix}"
    frame = pd.DataFrame({"note": ["a", "b"], "item": ["tea", "rum"]})
    write = {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".parquet": lambda: frame.to_parquet(path),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
    }
    write[suffix]()
    assert find_positions(str(path), ITEMS, "deny", "item").tolist() == [2, 1]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'deny'.*'tea'"):
        find_positions("tea", ITEMS, "deny", "item")
    (tmp_path / "items.csv").write_text("name\ntea\n")
    with pytest.raises(ValueError, match=r"items\.csv, line 1: .*'item'"):
        find_positions(tmp_path / "items.csv", ITEMS, "deny", "item")
    (tmp_path / "items.txt").write_bytes(b"tea\nr\xfcm\n")
    with pytest.raises(ValueError, match=r"items\.txt, line 2: "):
        find_positions(tmp_path / "items.txt", ITEMS, "deny", "item")


def test_select() -> None:
    assert select("all", ITEMS, "items", "item").tolist() == [0, 1, 2, 3]
    assert select(["rum"], ITEMS, "items", "item").tolist() == [1]
    with pytest.raises(ValueError, match=r"'items'.*'all'.*\(got 'rum'\)"):
        select("rum", ITEMS, "items", "item")
