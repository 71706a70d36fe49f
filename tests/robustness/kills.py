"""Kills commands at random moments, repeats them and compares what they leave with an undisturbed
run.

As a program, a process that has imported everything: it starts each command in a fork of itself, so
that a kill takes as long as the command and no longer.
"""

import gc
import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
PROGRAMS = {"soil-pyg": ("soil_pyg.cli", "soil-pyg"), "run.py": ("run", "run.py")}
MODULES = [
    *["soil_pyg.cli.subcommand", "soil_bench.runs.command", "soil_bench.tuning.command"],
    *[f"soil_pyg.cli.{name}" for name in ("prepare", "train", "recommend", "report", "export")],
    *["faiss", "optuna", "plotly.graph_objects", "jinja2", "pandas.io.parquet"],
    *["optuna.storages", "optuna.samplers", "optuna.storages.journal"],
]
"""The names of modules that a command would import."""
VOLATILE = {"seconds", "date", "checksum", "created", "peak_rss_mb", "machine"}
"""Values of JSON files that differ from run to run; the checksum is that of the others."""
EXCLUDED = re.compile(r"(^|/)(epochs\.log|.*\.journal|.*\.lock|cache|logs|__pycache__)(/|$)")
"""Paths whose content is not compared: a list of begun epochs, journals with times, locks,
the cache of computed features and the output of workers."""
OF_LIBRARIES = re.compile(r"^torchinductor_|_(propagate|edge_updater)_\w+\.py$")
"""Entries of the temporary folder that torch and PyG leave behind even without a kill."""
DEBRIS = re.compile(r"\.(tmp|old)$|(^|/)\.|(^|/)tmp\w+$")
GRACE_SECONDS = 120.0
START_SECONDS = 0.05


@dataclass(frozen=True)
class Scenario:
    """A command that is killed.

    Args:
        name: Its name.
        command: The command line, the program included.
        trains: Whether its begun epochs are listed in the file :obj:`epochs.log`.
        workers: Whether it starts other processes.
    """

    name: str
    command: str
    trains: bool = False
    workers: bool = False


@dataclass(frozen=True)
class Kill:
    """A kill of a scenario.

    Args:
        scenario: The name of the scenario.
        sent: The name of the signal.
        share: The moment as a share of the duration of the undisturbed command.
        twice: Whether the signal comes again a little later.
        fresh: Whether the command is a process of its own that imports everything.
    """

    scenario: str
    sent: str
    share: float
    twice: bool
    fresh: bool


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    seconds: float
    errors: str


class Commands:
    """Runs commands, in forks of a process that has imported everything or in processes of their
    own.
    """

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None

    def run(
        self,
        command: str,
        folder: Path,
        sent: str = "",
        delay: float = 0.0,
        twice: bool = False,
        fresh: bool = False,
    ) -> Ended:
        """Runs a command in a folder, and sends it a signal after a delay in seconds."""
        errors = folder.with_name(f"{folder.name}.stderr")
        call = {
            "argv": command.split(),
            "folder": str(folder),
            "errors": str(errors),
            "signal": int(SIGNALS[sent]) if sent else 0,
            "delay": delay,
            "twice": twice,
            "temporary": str(_temporary(folder)),
        }
        if fresh:
            code, seconds = _run_fresh(call)
        else:
            code, seconds = self._ask(call)
        return Ended(code, seconds, errors.read_text("utf-8", "replace"))

    def _ask(self, call: dict[str, Any]) -> tuple[int, float]:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(call) + "\n")
        self._server.stdin.flush()
        code, seconds = json.loads(self._server.stdout.readline())
        return code, seconds

    def close(self) -> None:
        """Ends the process that has imported everything."""
        if self._server is not None:
            self._server.communicate()


def _temporary(folder: Path) -> Path:
    path = folder.with_name(f"{folder.name}.tmp")
    path.mkdir(exist_ok=True)
    return path


def _environment(call: dict[str, Any]) -> dict[str, str]:
    return {"TMPDIR": call["temporary"], "XDG_CACHE_HOME": f"{call['folder']}/cache"}


def _run_fresh(call: dict[str, Any]) -> tuple[int, float]:
    program, *argv = call["argv"]
    module, name = PROGRAMS[program]
    script = f"import sys; sys.argv[0] = {name!r}; from {module} import main; sys.exit(main())"
    with open(call["errors"], "wb") as errors:
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-c", script, *argv],
            cwd=call["folder"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            | _environment(call),
            preexec_fn=_reset_signals,
        )
        _kill(call, process.pid, lambda: process.poll() is not None)
        return process.wait(), time.monotonic() - start


def _reset_signals() -> None:
    # A test in the background has Ctrl-C disabled.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _kill(call: dict[str, Any], pid: int, has_ended: Callable[[], bool]) -> None:
    if not call["signal"]:
        return
    for delay in [call["delay"], *[0.01, 0.05] * call["twice"]]:
        deadline = time.monotonic() + delay
        while time.monotonic() < deadline and not has_ended():
            time.sleep(0.001)
        if has_ended():
            return
        os.kill(pid, call["signal"])


def serve(calls: IO[str], answers: IO[str]) -> None:
    """Runs each call in a fork of this process and answers with the exit code, negative after a
    signal that was not handled, and the seconds.
    """
    for name in MODULES:
        with suppress(ImportError):
            import_module(name)
    gc.freeze()
    for line in calls:
        call = json.loads(line)
        start = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _become(call)
        state: list[int] = []

        def has_ended(pid: int = pid, state: list[int] = state) -> bool:
            if not state:
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    state.append(os.waitstatus_to_exitcode(status))
            return bool(state)

        _kill(call, pid, has_ended)
        while not has_ended():
            time.sleep(0.001)
        answers.write(json.dumps([state[0], time.monotonic() - start]) + "\n")
        answers.flush()


def _become(call: dict[str, Any]) -> None:
    """Runs a command in this process and ends it."""
    _reset_signals()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    os.chdir(call["folder"])
    os.environ.update(_environment(call))
    tempfile.tempdir = None
    null = os.open(os.devnull, os.O_RDWR)
    errors = os.open(call["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for target, descriptor in enumerate((null, null, errors)):
        os.dup2(descriptor, target)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", 1)
    program, *argv = call["argv"]
    module, name = PROGRAMS[program]
    sys.argv = [name, *argv]
    code = import_module(module).main()
    # To free all that was imported takes longer than most commands.
    os._exit(code)


def content(folder: Path) -> dict[str, str]:
    """Returns a digest of each file below a folder, without values that differ from run to run."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not EXCLUDED.search(name):
            found[name] = hashlib.sha256(_stable(path)).hexdigest()
    return found


def _stable(path: Path) -> bytes:
    raw = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(raw)
    if path.suffix in (".json", ".jsonl"):
        lines = raw.decode().splitlines() if path.suffix == ".jsonl" else [raw.decode()]
        # Workers append their lines in the order in which they end.
        return "\n".join(sorted(json.dumps(_without(json.loads(line))) for line in lines)).encode()
    if path.suffix == ".html":
        return re.sub(rb"\d+\.\d+ s\b|\d{4}-\d\d-\d\d", b"", raw)
    if path.name == "state.safetensors":
        # Imported here, as the processes of the commands import nothing early.
        from soil_pyg.runs.tensor_file import load_tensors

        tensors, metadata = load_tensors(path)
        parts = (tensors[name].numpy().tobytes() for name in sorted(tensors))
        return json.dumps(_without(metadata)).encode() + b"".join(parts)
    return raw


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without(v) for name, v in value.items() if name not in VOLATILE}
    return [_without(v) for v in value] if isinstance(value, list) else value


def debris(folder: Path, allowed: set[str]) -> list[str]:
    """Returns the files and folders that are neither allowed nor temporary files of a living run,
    and all that is in the folder of temporary files.
    """
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    found = [name for name in names - allowed if not EXCLUDED.search(name)]
    found += [name for name in names if DEBRIS.search(name) and not EXCLUDED.search(name)]
    written = [path.name for path in _temporary(folder).iterdir()]
    found += [f"TMPDIR/{name}" for name in written if not OF_LIBRARIES.search(name)]
    return sorted(set(found))


def living(folder: Path) -> list[int]:
    """Returns the processes that work in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and os.readlink(entry / "cwd") == str(folder.resolve()):
                found.append(int(entry.name))
    return found


def wait_for_the_end(folder: Path) -> list[int]:
    """Waits until no process works in a folder, and returns those that do not end."""
    deadline = time.monotonic() + GRACE_SECONDS
    while (found := living(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def begun_epochs(folder: Path) -> int:
    """Returns the number of epochs that have begun in a folder."""
    path = folder / "epochs.log"
    return len(path.read_text().splitlines()) if path.exists() else 0


class Harness:
    """Kills scenarios in copies of a folder and finds what is wrong.

    Args:
        pristine: The folder that each command starts from.
        folder: The folder for the copies.
        scenarios: The scenarios.
    """

    def __init__(self, pristine: Path, folder: Path, scenarios: Sequence[Scenario]) -> None:
        self.commands = Commands()
        self._pristine, self._folder = pristine, folder
        self._scenarios = {scenario.name: scenario for scenario in scenarios}
        self._expected: dict[tuple[str, bool], tuple[dict[str, str], set[str], float, int]] = {}

    def expected(self, name: str, fresh: bool) -> tuple[dict[str, str], set[str], float, int]:
        """Returns what a scenario leaves if it is not disturbed: the content, all names, the
        seconds and the number of epochs.
        """
        if (name, fresh) not in self._expected:
            # The first of its kind takes longer, as it reads everything from the disk.
            runs = [self._undisturbed(name, fresh) for _ in range(2)]
            assert runs[0][0] == runs[1][0]
            self._expected[name, fresh] = *runs[1][:2], min(run[2] for run in runs), runs[1][3]
        return self._expected[name, fresh]

    def _undisturbed(self, name: str, fresh: bool) -> tuple[dict[str, str], set[str], float, int]:
        place = self._copy()
        ended = self.commands.run(self._scenarios[name].command, place, fresh=fresh)
        assert ended.code == 0, ended
        names = {path.relative_to(place).as_posix() for path in place.rglob("*")}
        return content(place), names, ended.seconds, begun_epochs(place)

    def problems(self, kill: Kill) -> list[str]:
        """Kills a command, repeats it, and returns all that is wrong."""
        scenario = self._scenarios[kill.scenario]
        expected, names, seconds, num_epochs = self.expected(kill.scenario, kill.fresh)
        place = self._copy()
        delay = kill.share * seconds
        ended = self.commands.run(scenario.command, place, kill.sent, delay, kill.twice, kill.fresh)
        found = []
        if orphans := wait_for_the_end(place):
            found.append(f"processes {orphans} do not end")
        number = SIGNALS[kill.sent]
        soft = kill.sent != "SIGKILL"
        codes = {0, 128 + number} if soft else {0, -number}
        # The first moments of a process, before any code of ours, are out of reach.
        codes |= {-number} if kill.fresh or delay < START_SECONDS else set()
        if ended.code not in codes:
            found.append(f"exit code {ended.code}")
        lines = [line for line in ended.errors.splitlines() if "interrupted" in line]
        if ended.code == 128 + number and ("Traceback" in ended.errors or len(lines) != 1):
            found.append("not one line")
        if soft and (left := debris(place, names | {f"{n}/state.safetensors" for n in names})):
            found.append(f"left by {kill.sent}: {left}")
        begun = begun_epochs(place)
        again = self.commands.run(scenario.command, place)
        # What was complete is not replaced unasked.
        is_refused = again.code == 2 and "choose a" in again.errors
        if again.code != 0 and not is_refused:
            found.append(f"repeated: exit code {again.code}, {again.errors[-500:]}")
        if scenario.trains and ended.code == 128 + number:
            repeated = begun_epochs(place) - begun
            # The epoch that was interrupted, if any, is the first one of the repeated command.
            if begun + repeated > num_epochs + 1:
                found.append(f"{begun} epochs, then {repeated} more of {num_epochs}")
        if left := debris(place, names):
            found.append(f"left at the end: {left}")
        actual = content(place)
        if actual != expected:
            differing = {n for n in expected | actual if expected.get(n) != actual.get(n)}
            found.append(f"other content: {sorted(differing)}")
        if found:
            found.append(f"code {ended.code}, errors {ended.errors[-600:]!r}")
        return found

    def _copy(self) -> Path:
        # Settings hold the path of the data, so that all have the same.
        place = self._folder / "place"
        shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(_temporary(place), ignore_errors=True)
        shutil.copytree(self._pristine, place)
        return place


if __name__ == "__main__":
    serve(sys.stdin, os.fdopen(os.dup(1), "w"))
