import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soil_pyg import cli

pytest.importorskip("plotly", reason="the extra 'report' is not installed")


def test_a_report(run_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.html"
    capfd.readouterr()
    assert cli.main(["report", str(run_folder), "--out", str(out), "--users", "20,0"]) == 0
    stdout, stderr = capfd.readouterr()
    assert stdout == ""
    assert re.fullmatch(rf".*'{out}'.*\d\.\d MB.*\n", stderr)
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
        (["--users", "0,11"], "'--users'.*'11'"),
        (["--users", "all"], "'--users'.*'all'"),
        (["--users", "0", "--users-file", "a"], "'--users'.*'--users-file'"),
        (["--users-file", "no.txt"], "'--users'.*'no.txt'"),
        (["--num-users", "-1"], "--num-users: .*-1"),
        (["--data", "no"], "'no'"),
        (["--out", "a.pdf"], "'--out'.*'a.pdf'"),
        (["--out", "no/a.html"], "'--out'.*'no/a.html'"),
        (["--outt", "a.html"], "--outt a.html"),
    ],
)
def test_wrong_input(
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[..., str],
    flags: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert re.search(message, refused("report", run_folder, *flags))
    assert sorted(tmp_path.rglob("*")) == before


def test_wrong_runs(
    run_folder: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    edit_run: Callable[..., None],
) -> None:
    def message(folder: Path) -> str:
        return refused("report", folder, "--out", tmp_path / "a.html")

    assert "nowhere'" in message(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "empty'" in message(tmp_path / "empty")
    run = json.loads((run_folder / "run.json").read_text())
    edit_run(run_folder, data={"name": "random", "digest": "other"})
    assert "digest" in message(run_folder)
    (run_folder / "run.json").write_text(json.dumps({**run, "format": 9}))
    assert re.search(r"run\.json'.*got 9", message(run_folder))
    (run_folder / "run.json").write_text("{")
    assert "run.json'" in message(run_folder)
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC])
def test_nothing_can_be_written(
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[..., str],
    number: int,
) -> None:
    out = tmp_path / "a.html"

    def refuse(path: Path, *arguments: Any) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "write_text", refuse)
    message = refused("report", run_folder, "--out", out)
    assert message.startswith(f"soil-pyg report: '{out}': {os.strerror(number)}; ")
    assert not out.exists()
