from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.id_files import read_id_file


def test_ids_in_the_order_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes("\ufefftea\n007\r\ngreen\u2028tea\n".encode())
    np.save(tmp_path / "x.NPY.npy", np.array(["tea", "gin"]))
    (tmp_path / "x.csv").write_text("n,item\n1,tea\n2,gin\n")
    pd.DataFrame({"item": [7, 5]}).to_json(tmp_path / "x.jsonl.gz", orient="records", lines=True)
    expected = {
        "x.txt": ["tea", "007", "green\u2028tea"],
        "x.NPY.npy": ["tea", "gin"],
        "x.csv": ["tea", "gin"],
        "x.jsonl.gz": [7, 5],
    }
    for name, ids in expected.items():
        assert read_id_file(tmp_path / name, "item_ids", "item").tolist() == ids
    (tmp_path / "x.txt").write_text("tea\n\n007\n")
    ids = read_id_file(tmp_path / "x.txt", "items", "item", skip_blank=True)
    assert ids.tolist() == ["tea", "007"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("y.npy", r"'item_ids': .*y\.npy .*\(got float64, shape \(1,\)\)"),
        ("z.npy", r"z\.npy .*Python objects"),
        ("u.npy", r"'item_ids': .*u\.npy .*text"),
        ("latin.txt", r"latin\.txt, line 2: byte 2 "),
        ("blank.txt", r"blank\.txt, line 2: .* is blank"),
        ("x.csv", r"x\.csv, line 4: 'item' .*missing"),
    ],
)
def test_files_that_hold_no_ids_are_refused(name: str, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", np.array([1.5]))
    np.save(tmp_path / "z.npy", np.array([None]))
    np.save(tmp_path / "u.npy", np.array([2**31], dtype=np.uint32).view("<U1"))
    (tmp_path / "blank.txt").write_text("tea\n\nrum\n")
    (tmp_path / "latin.txt").write_bytes(b"tea\nr\xfcm\n")
    (tmp_path / "x.csv").write_text('item,note\ntea,"a\nb"\n,c\n')
    with pytest.raises(ValueError, match=message):
        read_id_file(tmp_path / name, "item_ids", "item")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'item_ids': .*no\.txt"):
        read_id_file(tmp_path / "no.txt", "item_ids", "item")
