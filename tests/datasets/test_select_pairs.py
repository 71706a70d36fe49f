from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.frames import read_table
from soil_pyg.datasets.pair_filter import Dropped
from soil_pyg.datasets.select_pairs import Selection, select_pairs

TEXT = """\
who,what,stars,day,part
bob,tea,5,2024-01-01,train
ann,tea,4,2024-01-02,train
ann,rum,1,2024-01-03,val
ann,tea,5,2024-01-05,test
eve,gin,3,2024-01-04,train
eve,tea,4,2024-01-06,test
"""


RATED = {"rating_column": "stars", "min_rating": 1.0}


def select(path: Path, text: str = TEXT, **options: Any) -> Selection:
    path = path / "x.csv"
    path.write_text(text)
    table = read_table(path, "interactions", ["who", "what"])
    return select_pairs(table, "who", "what", **options)


def rows(selection: Selection, *columns: str) -> list[tuple[Any, ...]]:
    frame = selection.frame[["who", "what", *columns]]
    return list(frame.astype(object).itertuples(index=False, name=None))


def test_repeated_pairs_are_merged(tmp_path: Path) -> None:
    selection = select(tmp_path)
    assert rows(selection) == [
        *(("bob", "tea"), ("ann", "tea"), ("ann", "rum"), ("eve", "gin"), ("eve", "tea")),
    ]
    assert selection.read == {"users": 3, "items": 3, "pairs": 6}
    assert selection.dropped == [Dropped("repeated pairs", 0, 0, 1)]
    assert selection.item_id.tolist() == ["gin", "rum", "tea"]


def test_the_latest_time_is_kept(tmp_path: Path) -> None:
    frame = select(tmp_path, time_column="day").frame
    order = frame.sort_values("day")[["who", "what"]].astype(str).agg(" ".join, axis=1)
    assert order.tolist() == ["bob tea", "ann rum", "eve gin", "ann tea", "eve tea"]


def test_all_steps_after_one_another(tmp_path: Path) -> None:
    options = {"rating_column": "stars", "min_rating": 3.0, "time_column": "day", "k": 2}
    text = TEXT + "ann,gin,4,2024-01-07,train\n"
    selection = select(tmp_path, text, **options)
    assert sorted(rows(selection)) == [
        *(("ann", "gin"), ("ann", "tea"), ("eve", "gin"), ("eve", "tea"))
    ]
    assert selection.item_id.tolist() == ["gin", "tea"]
    assert selection.dropped == [
        Dropped("stars below 3", 0, 1, 1),
        Dropped("repeated pairs", 0, 0, 1),
        Dropped("fewer than 2 interactions", 1, 0, 1),
    ]


def test_a_given_split_refuses_repeated_pairs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.csv, line 5: .*x\.csv, line 3"):
        select(tmp_path, split_column="part")
    options = {"rating_column": "stars", "min_rating": 5.0}
    selection = select(tmp_path, split_column="part", **options)
    assert rows(selection, "part") == [("bob", "tea", 0), ("ann", "tea", 2)]


def test_lines_are_named_after_rows_were_dropped(tmp_path: Path) -> None:
    text = "who,what,stars,part\na,x,1,train\na,y,5,train\na,y,5,test\n"
    options = {"rating_column": "stars", "min_rating": 3.0, "split_column": "part"}
    with pytest.raises(ValueError, match=r"line 4: .*line 3"):
        select(tmp_path, text, **options)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("who,what\n", {}, r"x\.csv .*no rows"),
        ("who,what\n,x\n", {}, r"x\.csv, line 2: .*missing"),
        (TEXT.replace("rum,1", "rum,one"), RATED, r"x\.csv, line 4: 'stars' .*\(got 'one'\)"),
        (TEXT.replace("rum,1", "rum,"), RATED, r"x\.csv, line 4: 'stars' .*missing"),
        (TEXT, RATED | {"min_rating": 5.5}, r"x\.csv: .*'stars' .* 5.5 .* 5\).*'min_rating'"),
        (TEXT, {"k": 3}, r"'k_core' \(--k-core\) .* 3 .* 5 pairs .* 1$"),
        (TEXT.replace("01-04", "soon"), {"time_column": "day"}, r"x\.csv, line 6: 'day' .*soon"),
        (TEXT.replace("val", "later"), {"split_column": "part"}, r"line 4: .*\(got 'later'\)"),
    ],
)
def test_tables_that_cannot_be_right_are_refused(
    text: str, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        select(tmp_path, text, **options)


def test_ids_of_another_type_stay_what_they_are() -> None:
    frame = pd.DataFrame({"who": [30, 7], "what": np.array([2, 1], dtype=np.uint8)})
    table = read_table(frame, "interactions", ["who", "what"])
    selection = select_pairs(table, "who", "what")
    assert rows(selection) == [(30, 2), (7, 1)]
    assert selection.item_id.dtype == np.int64
