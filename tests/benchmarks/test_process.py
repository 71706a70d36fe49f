import subprocess
import sys
from pathlib import Path

from process import run_process

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
READS = "import sys\nsys.exit(int(sys.stdin.readline()))"
WAITS = """
import sys
import time

from process import stop_with_parent

sys.stdin.readline()
stop_with_parent()
try:
    print("waiting", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(7)
"""


def test_line_and_exit_code(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(READS)
    assert [run_process(script, f"{code}\n") for code in (0, 5)] == [0, 5]


def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(WAITS)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(BENCHMARKS)},
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("line\n")
    process.stdin.flush()
    assert process.stdout.readline() == "waiting\n"
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(30) == 7
