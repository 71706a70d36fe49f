"""The first day of a stranger: from a table of purchases to a page, with the commands of the README
in an environment without extras and a terminal of 80 columns.

``python tests/robustness/strangers_day.py --record FILE`` measures the time to the first
recommendation from a table of 100,000 purchases and stores it with machine, versions and date.
"""

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib import metadata
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
COLUMNS, ROWS = 80, 50
PATIENCE = 600
"""The number of seconds after which a command counts as stuck."""
USERS_PER_PURCHASE = 0.05
ITEMS_PER_PURCHASE = 0.01


@dataclass
class Shown:
    """A command, its exit code, what the terminal showed of it and when. Lines that are longer than
    the terminal is wide are in one piece.
    """

    command: str
    code: int
    lines: list[str]
    first_output: float
    seconds: float

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines)


def readme_commands() -> list[str]:
    """Returns the commands of the first block of the README that prepares a table."""
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    block = next(found for found in blocks if "soil-pyg prepare" in found)
    joined = re.sub(r"\\\n\s*", "", block)
    return [line[2:] for line in joined.splitlines() if line.startswith("$ soil-pyg")]


def write_shop(folder: Path, num_purchases: int) -> None:
    """Writes the files that the commands of the README name: purchases, items and features."""
    rng = np.random.default_rng(0)
    num_users = max(60, round(num_purchases * USERS_PER_PURCHASE))
    num_items = max(40, round(num_purchases * ITEMS_PER_PURCHASE))
    taste = rng.integers(8, size=num_users)
    pairs: set[tuple[int, int]] = set()
    while len(pairs) < num_purchases:
        user = rng.integers(num_users, size=num_purchases)
        of_taste = (rng.zipf(1.5, size=num_purchases) - 1) * 8 + taste[user]
        any_item = rng.integers(num_items, size=num_purchases)
        item = np.where(rng.random(num_purchases) < 0.6, of_taste, any_item)
        known = item < num_items
        pairs |= set(zip(user[known].tolist(), item[known].tolist(), strict=True))
    chosen = sorted(pairs)
    kept = rng.permutation(len(chosen))[:num_purchases]
    table = pd.DataFrame([chosen[place] for place in kept], columns=["user", "item"])
    table["user"], table["item"] = "u" + table["user"].astype(str), "v" + table["item"].astype(str)
    table.to_csv(folder / "purchases.csv", index=False)
    items = pd.DataFrame({"item": [f"v{place}" for place in range(num_items)]})
    items.assign(title=[f"thing {place}" for place in range(num_items)]).to_csv(
        folder / "items.csv", index=False
    )
    style = np.arange(num_items) % 8
    visual = rng.normal(size=(8, 16))[style] + 0.3 * rng.normal(size=(num_items, 16))
    np.save(folder / "visual.npy", visual.astype(np.float32))
    vectors = list(rng.normal(size=(num_items, 8)).astype(np.float32))
    items.assign(vector=vectors).to_parquet(folder / "acoustic.parquet")


def make_environment(folder: Path, extras: Sequence[str] = ()) -> Path:
    """Makes a virtual environment with the package and what it requires with some extras, which are
    links to this environment's, and returns the folder of its commands.
    """
    venv.create(folder, with_pip=False)
    packages = next((folder / "lib").glob("python*")) / "site-packages"
    wanted, done = [*(metadata.requires("soil-pyg") or [])], set()
    while wanted:
        requirement = Requirement(wanted.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        marker = requirement.marker
        is_wanted = marker is None or any(marker.evaluate({"extra": e}) for e in ("", *extras))
        if name in done or not is_wanted:
            continue
        done.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        wanted += found.requires or []
        for top in {file.parts[0] for file in found.files or [] if file.parts[0] != ".."}:
            link = packages / top
            if top != "__pycache__" and not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))))
    shutil.copytree(ROOT / "soil_pyg", packages / "soil_pyg")
    command = folder / "bin" / "soil-pyg"
    python = folder / "bin" / "python"
    command.write_text(
        f"#!{python}\nimport sys\nfrom soil_pyg.cli import main\nsys.exit(main())\n", "utf-8"
    )
    command.chmod(0o755)
    return folder / "bin"


class Terminal:
    """A terminal of 80 columns in a folder, by tmux where it is installed, else by pipes.

    Args:
        folder (Path): The working directory of the commands.
        commands (Path): The folder of commands to search first.
    """

    def __init__(self, folder: Path, commands: Path) -> None:
        self.folder, self.is_real = folder, shutil.which("tmux") is not None
        keep = {"HOME", "LANG", "TMPDIR", "OMP_NUM_THREADS", "OMP_WAIT_POLICY"}
        self._environment = {name: os.environ[name] for name in keep & set(os.environ)}
        self._environment |= {"PATH": f"{commands}:/usr/bin:/bin", "TERM": "screen-256color"}
        self._sockets = (f"stranger-{os.getpid()}-{number}" for number in count())

    def run(self, command: str) -> Shown:
        """Runs a command to its end and returns what it showed."""
        if not self.is_real:
            return self._run_in_pipes(command)
        done = self.folder / ".done"
        done.unlink(missing_ok=True)
        # A server that is ending may still answer for its socket.
        self._socket = next(self._sockets)
        # The pane stays until its text has been read. A comment ends with the line of the command.
        line = f"{command}\necho $? > {shlex.quote(str(done))}; sleep {PATIENCE}"
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "-c", str(self.folder), line)
        self._tmux("set-option", "history-limit", "100000")
        start, first = time.monotonic(), 0.0
        while not (done.exists() and done.read_text()):
            if not first and self._screen().strip():
                first = time.monotonic() - start
            if time.monotonic() - start > PATIENCE:
                break
            time.sleep(0.05)
        seconds = time.monotonic() - start
        lines = self._screen().rstrip().splitlines()
        self._tmux("kill-server")
        code = int(done.read_text() or -1) if done.exists() else -1
        return Shown(command, code, lines, first or seconds, seconds)

    @contextmanager
    def serving(self, command: str) -> Iterator[str]:
        """Runs a command that serves until the end of the block, and yields its address."""
        process = subprocess.Popen(
            shlex.split(command),
            cwd=self.folder,
            env=self._environment,
            executable=shutil.which(shlex.split(command)[0], path=self._environment["PATH"]),
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            yield next(found[0] for line in lines if (found := re.search(r"http://[\d.:]+", line)))
        finally:
            process.terminate()
            process.communicate()

    def _run_in_pipes(self, command: str) -> Shown:
        start = time.monotonic()
        found = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._environment | {"COLUMNS": str(COLUMNS)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        lines = (found.stdout + found.stderr).splitlines()
        return Shown(command, found.returncode, lines, 0.0, time.monotonic() - start)

    def _screen(self) -> str:
        return self._tmux("capture-pane", "-p", "-J", "-S", "-")

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._socket, *arguments]
        return subprocess.run(
            command, env=self._environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout


@contextmanager
def terminal_in(folder: Path, num_purchases: int, extras: Sequence[str] = ()) -> Iterator[Terminal]:
    """Yields a terminal in a folder with the files of a shop and an environment of its own."""
    shop = folder / "shop"
    shop.mkdir()
    write_shop(shop, num_purchases)
    yield Terminal(shop, make_environment(folder / "environment", extras))


def main() -> int:
    """Measures the time to the first recommendation and stores it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--record", type=Path, required=True, help="file to write")
    parser.add_argument("--purchases", type=int, default=100_000, help="rows of the table")
    given = parser.parse_args()
    commands = [
        "soil-pyg prepare purchases.csv --out DATA",
        "soil-pyg train DATA --model lightgcn --epochs 30 --out RUN",
        "soil-pyg recommend RUN --users u0 --k 5",
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        terminal_in(Path(folder), given.purchases) as terminal,
    ):
        shown = [terminal.run(command) for command in commands]
    for one in shown:
        times = f"{one.seconds:7.1f} s, first output {one.first_output:.1f} s"
        sys.stdout.write(f"{times}: {one.command}\n")
    if any(one.code != 0 for one in shown):
        sys.stderr.write("\n".join(one.text for one in shown if one.code != 0) + "\n")
        return 1
    record = {
        "purchases": given.purchases,
        "seconds": round(sum(one.seconds for one in shown), 1),
        "steps": [
            {key: value for key, value in asdict(one).items() if key not in ("lines", "code")}
            for one in shown
        ],
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "machine": platform.platform(),
        "torch": metadata.version("torch"),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    given.record.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    sys.stdout.write(f"{record['seconds']} s in all; wrote {given.record}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
