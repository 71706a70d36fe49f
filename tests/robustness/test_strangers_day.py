import os
import re
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
