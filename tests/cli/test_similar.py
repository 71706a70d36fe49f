import io
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
        ([], "Either '--items' or '--users' must be given"),
        (["--items", "item 1", "--users", "0"], "Either '--items' or '--users' must be given"),
        (["--items", "tea"], "'items': the run has no item 'tea'"),
        (["--items", "item 20", "--by", "image"], "item 'item 20' has no features of 'image'"),
        (["--items", "item 1", "--by", "sound"], "'by' must be a modality of the data: image, te"),
        (["--items", "item 1", "--k", "0"], "'k' must be at least 1 (got 0)"),
    ],
)
def test_wrong_input(
    run_folder: Path, capfd: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    capfd.readouterr()
    assert cli.main(["similar", str(run_folder), *flags]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
