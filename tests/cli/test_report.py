import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from soil_pyg import cli

pytest.importorskip("plotly", reason="the extra 'report' is not installed")


def fail(capfd: pytest.CaptureFixture[str], *argv: str | Path) -> str:
    """Returns the one line that a command says about wrong input."""
    capfd.readouterr()
    assert cli.main(["report", *map(str, argv)]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def test_a_report(run_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.html"
    capfd.readouterr()
    assert cli.main(["report", str(run_folder), "--out", str(out), "--users", "20,0"]) == 0
    stdout, stderr = capfd.readouterr()
    assert stdout == ""
    assert re.fullmatch(rf"'{out}' holds the report: \d\.\d MB\n", stderr)
    page = out.read_text("utf-8")
    assert re.findall(r"<summary><b>(\w+)</b>", page) == ["20", "0"]


def test_defaults(
    run_folder: Path, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users.txt").write_text("30\n")
    assert cli.main(["report", str(run_folder), "--data", str(data_folder)]) == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count('<details class="card user"') == 6
    assert cli.main(["report", str(run_folder), "--num-users", "2"]) == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count('<details class="card user"') == 2
    assert cli.main(["report", str(run_folder), "--users-file", "users.txt"]) == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert re.findall(r"<summary><b>(\w+)</b>", page) == ["30"]


def test_help(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", "--help"]) == 0
    assert "\n  soil-pyg report RUN\n" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--users", "0,11"], "'users': the run has no user '11'"),
        (["--users", "all"], "'--users' must name users here"),
        (["--users", "0", "--users-file", "a"], "Either '--users' or '--users-file' must be given"),
        (["--users-file", "no.txt"], "'users': there is no file 'no.txt'"),
        (["--num-users", "-1"], "--num-users: "),
        (["--data", "no"], "The data folder 'no' does not exist"),
        (["--out", "a.pdf"], "'out' (--out) must name a file that ends in .html (got 'a.pdf')"),
        (["--out", "no/a.html"], "'out' (--out): there is no folder '"),
        (["--outt", "a.html"], "unrecognized arguments: --outt a.html"),
    ],
)
def test_wrong_input(
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert message in fail(capfd, run_folder, *flags)
    assert sorted(tmp_path.rglob("*")) == before


def test_wrong_runs(run_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = ("--out", tmp_path / "a.html")
    assert "nowhere' does not exist" in fail(capfd, tmp_path / "nowhere", *out)
    (tmp_path / "empty").mkdir()
    assert "neither the folder of a run nor" in fail(capfd, tmp_path / "empty", *out)
    run = json.loads((run_folder / "run.json").read_text())
    other = {**run, "data": {"name": "random", "digest": "other"}}
    (run_folder / "run.json").write_text(json.dumps(other))
    assert "is not the data that the run was trained on" in fail(capfd, run_folder, *out)
    (run_folder / "run.json").write_text(json.dumps({**run, "format": 9}))
    assert "run.json' must have format 1 (got 9): train again" in fail(capfd, run_folder, *out)
    (run_folder / "run.json").write_text("{")
    assert "run.json' is corrupt" in fail(capfd, run_folder, *out)
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC])
def test_nothing_can_be_written(
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    number: int,
) -> None:
    out = tmp_path / "a.html"

    def refuse(path: Path, *arguments: Any) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "write_text", refuse)
    message = fail(capfd, run_folder, "--out", out)
    assert message.startswith(f"soil-pyg report: '{out}': {os.strerror(number)}; ")
    assert not out.exists()
