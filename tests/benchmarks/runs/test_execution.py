import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from jsonargparse import Namespace

from soil_bench.runs.arguments import execution_of
from soil_bench.runs.execution import Execution, run_processes

submitit = pytest.importorskip("submitit", reason="submitit is not installed (the extra 'cluster')")
REPOSITORY = Path(__file__).parents[3]
Write = Callable[[str], str]
TWO = Execution(2, "local")
WAITS = """
import pathlib, time

def main(line):
    path = pathlib.Path(line.strip())
    if path.name == "first":
        while not path.with_name("second").exists():
            time.sleep(0.05)
        return 0
    path.touch()
    try:
        time.sleep(60)
    finally:
        time.sleep(1.5)
        path.write_text("cleaned up")
"""
# Like SLURM, it copies the script, which submitit moves once it is submitted.
SBATCH = """#!/bin/sh
number=$$
cp "$1" {folder}/$number.sh
PATH={folder}:$PATH SLURM_JOB_ID=$number setsid sh {folder}/$number.sh > /dev/null 2>&1 &
echo $! > {folder}/$number.pid
echo "Submitted batch job $number"
"""
SRUN = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do
    case "$1" in --output|--error) shift 2 ;; *) shift ;; esac
done
export SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0
exec "$@"
"""
SACCT = """#!/bin/sh
echo 'JobID|State|NodeList'
for file in {folder}/*.pid; do
    if kill -0 $(cat $file); then state=RUNNING; else state=FAILED; fi
    echo "$(basename $file .pid)|$state|node"
done
"""
SCANCEL = "#!/bin/sh\nkill -TERM -$(cat {folder}/$1.pid)\n"


def logs_in(folder: Path, number: int) -> list[Path]:
    return [folder / "logs" / f"{n}.log" for n in range(number)]


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Execution:
    """A cluster of this machine: commands that run a batch script at once."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {"sbatch": SBATCH, "srun": SRUN, "sacct": SACCT, "scancel": SCANCEL}
    for name, text in scripts.items():
        path = folder / name
        path.write_text(text.replace("{folder}", str(folder)))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Execution(2, "slurm", {"time": 5})


@pytest.mark.parametrize("threads_of_user", [None, "7"])
@pytest.mark.parametrize("workers", [1, 2])
def test_several_at_a_time(
    tmp_path: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    threads_of_user: str | None,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    if threads_of_user:
        monkeypatch.setenv("OMP_NUM_THREADS", threads_of_user)
    before = dict(os.environ)
    module = write(
        "import os, sys\n"
        "def main(line):\n"
        "    names = 'OMP_NUM_THREADS', 'CUDA_VISIBLE_DEVICES'\n"
        "    print(*map(os.environ.get, names), file=sys.stderr)\n"
        "    return int(line)\n"
    )
    logs = logs_in(tmp_path, 4)
    started: list[int] = []
    lines = ["3\n", "0\n", "2\n", "1\n"]
    execution = Execution(workers, "local")
    ended = dict(run_processes(module, lines, execution, logs, started.append))
    assert ended == {0: 3, 1: 0, 2: 2, 3: 1}
    assert started == [0, 1, 2, 3]
    threads = str(max(1, (os.cpu_count() or 1) // workers)) if workers > 1 else None
    assert [log.read_text() for log in logs] == [f"{threads_of_user or threads} 3\n"] * 4
    assert sorted(logs[0].parent.iterdir()) == logs
    assert dict(os.environ) == before


def test_errors_are_lines_of_the_log(tmp_path: Path, write: Write) -> None:
    module = write("def main(line):\n    raise ValueError('as told')")
    logs = logs_in(tmp_path, 1)
    assert list(run_processes(module, ["line\n"], TWO, logs)) == [(0, 2)]
    assert logs[0].read_text() == "error: as told\n"


def test_an_interruption_ends_the_processes(tmp_path: Path, write: Write) -> None:
    """One of two processes ends and the caller stops: the other one has time to clean up."""
    lines = [f"{tmp_path / name}\n" for name in ("first", "second")]
    with closing(run_processes(write(WAITS), lines, TWO, logs_in(tmp_path, 2))) as ended:
        assert next(ended) == (0, 0)
    assert (tmp_path / "second").read_text() == "cleaned up"


def test_no_more_than_the_workers_at_a_time(tmp_path: Path, write: Write) -> None:
    module = write(
        "import time, pathlib\n"
        "def main(line):\n"
        "    folder = pathlib.Path(line.strip())\n"
        "    mine = folder / str(time.monotonic_ns())\n"
        "    mine.touch()\n"
        "    (folder.parent / f'{mine.name}.seen').write_text(str(len(list(folder.iterdir()))))\n"
        "    time.sleep(0.5)\n"
        "    mine.unlink()\n"
        "    return 0\n"
    )
    folder = tmp_path / "running"
    folder.mkdir()
    ended = dict(run_processes(module, [f"{folder}\n"] * 5, TWO, logs_in(tmp_path, 5)))
    assert ended == dict.fromkeys(range(5), 0)
    assert max(int(path.read_text()) for path in tmp_path.glob("*.seen")) == 2


def test_a_killed_process_is_reported_at_once(tmp_path: Path, write: Write) -> None:
    module = write("import os, signal\ndef main(line):\n    os.kill(os.getpid(), signal.SIGKILL)\n")
    start = time.monotonic()
    assert list(run_processes(module, ["x\n"], TWO, logs_in(tmp_path, 1))) == [(0, None)]
    assert time.monotonic() - start < 14


@pytest.fixture
def parent(tmp_path: Path, write: Write) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs another one, which has begun."""
    module = write(WAITS)
    program = (
        "import sys; from pathlib import Path; sys.path[:0] = " + repr(sys.path) + "\n"
        "from soil_bench.runs.execution import Execution, run_processes\n"
        f"line, log = {str(tmp_path / 'second')!r}, Path({str(tmp_path / 'logs' / '0.log')!r})\n"
        f"list(run_processes({module!r}, [line], Execution(1, 'local'), [log]))"
    )
    begun = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    wait_for(tmp_path / "second")
    yield begun
    begun.kill()
    begun.wait()


@pytest.mark.parametrize("is_killed", [True, False])
def test_processes_end_with_their_parent(
    tmp_path: Path, parent: subprocess.Popen[bytes], is_killed: bool
) -> None:
    if is_killed:
        parent.kill()
    else:
        # Ctrl-C in a terminal reaches the whole group.
        os.killpg(parent.pid, signal.SIGINT)
    deadline = time.monotonic() + 30
    while not (tmp_path / "second").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (tmp_path / "second").read_text() == "cleaned up"


def test_slurm(tmp_path: Path, write: Write, slurm: Execution) -> None:
    module = write("def main(line):\n    print(line)\n    return int(line)\n")
    logs = logs_in(tmp_path, 3)
    assert dict(run_processes(module, ["0", "1", "2"], slurm, logs)) == {0: 0, 1: 1, 2: 2}
    assert [log.read_text() for log in logs] == ["0\n", "1\n", "2\n"]


def test_slurm_cancels_jobs(tmp_path: Path, write: Write, slurm: Execution) -> None:
    lines = [f"{tmp_path / name}\n" for name in ("first", "second")]
    with closing(run_processes(write(WAITS), lines, slurm, logs_in(tmp_path, 2))) as ended:
        assert next(ended) == (0, 0)
    assert (tmp_path / "second").read_text() == "cleaned up"


def test_a_job_that_slurm_has_lost(
    tmp_path: Path, write: Write, slurm: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = type(submitit.SlurmJob.watcher)(delay_s=1)
    monkeypatch.setattr(submitit.SlurmJob, "watcher", watcher)
    module = write("import os, signal\ndef main(line):\n    os.kill(os.getpid(), signal.SIGKILL)\n")
    (log,) = logs_in(tmp_path, 1)
    assert list(run_processes(module, ["x\n"], slurm, [log])) == [(0, None)]
    assert "FAILED" in log.read_text()


def test_parameters_of_slurm(tmp_path: Path, slurm: Execution) -> None:
    wrong = Execution(1, "slurm", {"partitoin": "gpu"})
    with pytest.raises(ValueError, match=r"'--slurm'.*partitoin"):
        next(run_processes("module", ["line"], wrong, logs_in(tmp_path, 1)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"executor": "slurm"}, "'--executor'.*slurm"),
        ({"slurm": {"time": 5}}, "'--slurm'.*'--executor slurm'"),
    ],
)
def test_wrong_arguments(
    given: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    arguments = {"workers": 1, "executor": None, "slurm": {}} | given
    with pytest.raises(ValueError, match=message):
        execution_of(Namespace(arguments))


def test_nothing_to_run() -> None:
    assert list(run_processes("no_such_module", [], TWO, [])) == []
