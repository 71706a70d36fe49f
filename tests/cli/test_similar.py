import io
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from soil_pyg import cli, similar


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (["--items", "item 7,item 0"], {"items": ["item 7", "item 0"]}),
        (["--items", "all", "--by", "text"], {"items": "all", "by": "text"}),
        (["--users", "20"], {"users": [20]}),
    ],
)
def test_similar(
    run_folder: Path, capfd: pytest.CaptureFixture[str], flags: list[str], options: dict
) -> None:
    capfd.readouterr()
    command = ["similar", str(run_folder), "--k", "3", "--format", "csv", *flags]
    assert cli.main(command) == 0
    out, err = capfd.readouterr()
    assert err == ""
    found = pd.read_csv(io.StringIO(out), dtype={"score": "float32"})
    pd.testing.assert_frame_equal(found, similar(run_folder, k=3, **options))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "'--items'.*'--users'"),
        (["--items", "item 1", "--users", "0"], "'--items'.*'--users'"),
        (["--items", "tea"], "'--items'.*'tea'"),
        (["--items", "item 20", "--by", "image"], "'--items'.*'item 20'.*'image'"),
        (["--items", "item 1", "--by", "sound"], "'--by'.*image, text.*'sound'"),
        (["--items", "item 1", "--k", "0"], "'--k'.*got 0"),
    ],
)
def test_wrong_input(
    run_folder: Path, refused: Callable[..., str], flags: list[str], message: str
) -> None:
    assert re.search(message, refused("similar", run_folder, *flags))
