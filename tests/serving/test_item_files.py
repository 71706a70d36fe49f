import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg.serving.item_files import ItemFiles, offered

KNOWN = np.array(["milk", "rum", "tea"])


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"deny": "rum\n"}, [True, False, True]),
        ({"deny": ""}, [True, True, True]),
        ({"allow": "tea\nmilk\n"}, [True, False, True]),
        ({"allow": "tea\nmilk\n", "deny": "tea"}, [True, False, False]),
    ],
)
def test_lists(tmp_path: Path, files: dict[str, str], expected: list[bool]) -> None:
    paths = {name: tmp_path / name for name in files}
    for name, path in paths.items():
        path.write_text(files[name])
    found = offered(ItemFiles(**paths).read(), KNOWN)
    assert found is not None
    assert found.tolist() == expected


def test_no_file_leaves_all() -> None:
    assert offered(ItemFiles().read(), KNOWN) is None


def test_tables_and_integers(tmp_path: Path) -> None:
    pd.DataFrame({"item": [7, 3], "stock": 0}).to_parquet(tmp_path / "stock.parquet")
    found = offered(ItemFiles(deny=tmp_path / "stock.parquet").read(), np.array([3, 5, 7]))
    assert found is not None
    assert found.tolist() == [False, True, False]


def test_unknown_ids_are_ignored_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "soil_pyg"):
        found = offered({"deny_file": np.array(["gin", "rum", "new"])}, KNOWN)
    assert found is not None
    assert found.tolist() == [True, False, True]
    assert "'deny_file': the run lacks 2 of 3 items" in caplog.text
    assert "'gin'" in caplog.text


@pytest.mark.parametrize("allow", ["", "gin"])
def test_lists_that_leave_nothing_are_refused(tmp_path: Path, allow: str) -> None:
    (tmp_path / "allow.txt").write_text(allow)
    with pytest.raises(ValueError, match="'allow_file'"):
        offered(ItemFiles(tmp_path / "allow.txt").read(), KNOWN)


def test_every_change_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "deny.txt"
    files = ItemFiles(deny=file)
    states = [files.look()]
    for text in ("tea", "rum\nmilk"):
        file.write_text(text)
        states.append(files.look())
    (tmp_path / "other").write_text("milk\nrum")
    (tmp_path / "other").rename(file)
    states.append(files.look())
    assert len(set(states)) == 4
