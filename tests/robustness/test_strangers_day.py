import json
import os
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

from strangers_day import COLUMNS, Shown, readme_commands, terminal_in

FIRST_OUTPUT = 2.0


def check(shown: Shown, code: int, is_real: bool) -> None:
    assert shown.code == code, shown.text
    assert "Traceback" not in shown.text
    if is_real and code == 0:
        cut = [line for line in shown.lines if len(line) > COLUMNS]
        assert cut == [], shown.command
    # Another process that keeps the cores busy delays the imports.
    if is_real and os.getloadavg()[0] < (os.cpu_count() or 1) / 2:
        assert shown.first_output < FIRST_OUTPUT, shown.command


@pytest.mark.slow
def test_the_commands_of_the_readme_without_extras(tmp_path: Path) -> None:
    commands = readme_commands()
    assert len(commands) > 3
    with terminal_in(tmp_path, 480) as terminal:
        for command in commands:
            needs_extra = command.startswith("soil-pyg report")
            shown = terminal.run(command)
            check(shown, 1 if needs_extra else 0, terminal.is_real)
            for out in re.findall(r"--out (\S+)", command):
                assert (terminal.folder / out).exists() != needs_extra
            if needs_extra:
                assert "soil-pyg[report]" in shown.text.replace("\n", "")


@pytest.mark.slow
def test_the_day_ends_in_a_page_and_in_answers_over_http(tmp_path: Path) -> None:
    for extra, package in {"report": "plotly", "serve": "fastapi_offline"}.items():
        pytest.importorskip(package, reason=f"the extra '{extra}' is not installed")
    with terminal_in(tmp_path, 480, ["report", "serve"]) as terminal:
        for command in readme_commands():
            check(terminal.run(command), 0, terminal.is_real)
        check_page(terminal.folder / "report.html")
        listed = "soil-pyg recommend PRODUCTION --users u0 --k 5 --format json --out five.json"
        check(terminal.run(listed), 0, terminal.is_real)
        expected = json.loads((terminal.folder / "five.json").read_text("utf-8"))
        with terminal.serving("soil-pyg serve PRODUCTION --port 0") as address:
            with urllib.request.urlopen(f"{address}/recommend?user=u0&k=5") as answer:
                (found,) = json.load(answer)["recommendations"]
            with urllib.request.urlopen(f"{address}/docs") as answer:
                assert b"swagger" in answer.read()
    assert len(expected) == 5
    assert [row["item"] for row in found["items"]] == [row["item"] for row in expected]
    assert [row["score"] for row in found["items"]] == [row["score"] for row in expected]


def check_page(page: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if browser is None:
        return
    options = ["--headless", "--no-sandbox", "--virtual-time-budget=20000", "--dump-dom"]
    drawn = subprocess.run(
        [browser, *options, page.as_uri()], capture_output=True, text=True, check=True
    )
    assert 'data-charts="drawn"' in drawn.stdout
    assert drawn.stdout.count("main-svg") > 5
    assert "Uncaught" not in drawn.stderr
