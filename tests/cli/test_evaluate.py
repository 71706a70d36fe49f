import io
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import soil_pyg
from soil_pyg import cli, evaluate


def test_metrics(run_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    assert cli.main(["evaluate", str(run_folder), "--format", "csv"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    # Other parsers of pandas are off by the last digit.
    frame = pd.read_csv(io.StringIO(out), float_precision="round_trip").set_index("metric")
    assert {split: frame[split].to_dict() for split in frame} == soil_pyg.load(run_folder).metrics


def test_every_user_to_a_file(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "users.parquet"
    flags = ["--split", "test", "--ks", "1", "20", "--per-user", "--out", str(out)]
    assert cli.main(["evaluate", str(run_folder), *flags]) == 0
    expected = evaluate(run_folder, ["test"], ks=[1, 20], per_user=True)
    pd.testing.assert_frame_equal(pd.read_parquet(out), expected)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--ks", "0"], r"'--ks'.*got .*0"),
        (["--ks", "5,a"], r"'--ks' must be whole numbers \(got 5, a\)"),
        (["--split", "train"], r"--split: .*\btrain\b"),
        (["--split", "validation"], r"--split: .*\bvalidation\b"),
        (["--data", "no"], "'no'"),
    ],
)
def test_wrong_input(
    run_folder: Path, refused: Callable[..., str], flags: list[str], message: str
) -> None:
    assert re.search(message, refused("evaluate", run_folder, *flags))


def test_lengths_may_be_separated_by_commas(
    run_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outputs = []
    for flags in (["--ks", "5", "20"], ["--ks", "5,20"]):
        assert cli.main(["evaluate", str(run_folder), *flags]) == 0
        outputs.append(capfd.readouterr().out)
    assert outputs[0] == outputs[1]
