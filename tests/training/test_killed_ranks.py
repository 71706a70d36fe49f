"""A run that loses a process at any moment ends, and can be resumed to the same bytes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("kill_ranks.py")
KILLS = 21
"""Seven of each mode."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_process_is_killed_at_random(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(tmp_path), str(KILLS)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    kills = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("[")]
    assert len(kills) == KILLS
    assert [kill for kill in kills if kill[-1]] == []
