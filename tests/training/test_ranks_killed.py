"""A run that loses a process at any moment ends, and can be resumed to the same bytes."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.datasets.data_folder import save_data_folder

SCRIPT = Path(__file__).with_name("kill_ranks.py")
KILLS = 21
"""Seven of each mode."""
TRAIN = """
import os
import sys
import time

if "LOCAL_RANK" in os.environ:
    with open(sys.argv[2] + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.replace(sys.argv[2] + ".new", sys.argv[2])
    time.sleep(2)

import soil_pyg

soil_pyg.train(sys.argv[1], sys.argv[1] + "/run", "bpr", devices=2, device="cpu")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_process_is_killed_at_random(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(tmp_path), str(KILLS)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    kills = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("[")]
    assert len(kills) == KILLS
    assert [kill for kill in kills if kill[-1]] == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_first_process_is_killed_before_the_second_has_joined(tmp_path: Path) -> None:
    save_data_folder(tmp_path, SyntheticMultimodal(20, 10)[0], None, {})
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    with (tmp_path / "log").open("w+") as log:
        command = [sys.executable, str(script), str(tmp_path), str(tmp_path / "pid")]
        first = subprocess.Popen(command, stderr=log, stdout=log)
        while not (tmp_path / "pid").exists():
            assert first.poll() is None
            time.sleep(0.05)
        first.kill()
        first.wait()
        second = Path("/proc", (tmp_path / "pid").read_text(), "cmdline")
        deadline = time.monotonic() + 60
        while second.exists() and str(script) in second.read_text():
            assert time.monotonic() < deadline, "the second process does not end"
            time.sleep(0.1)
        log.seek(0)
        assert "Process 1 has waited in vain" in log.read()
