"""Trains on two processes, kills one of them at a random moment, trains again, and prints what is
wrong, a line per kill.

python kill_ranks.py FOLDER KILLS [FIRST]

The processes are forks of this one, which has imported everything, and run the command as torchrun
starts it.
"""

import json
import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from soil_pyg.cli import main as soil_pyg
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.datasets.data_folder import save_data_folder
from soil_pyg.training.ranks import Ranks
from soil_pyg.training.trainer import Trainer

NUM_RANKS = 2
SECONDS = 60
"""The time in which all processes must end after a kill."""
TRIES = 5
"""The number of runs that may end before the kill."""
MODES = {
    "whole graph": "",
    "partitions": "--num-partitions 4",
    "sharded": "--num-partitions 4 --shard-tables",
}
DATA = "data"
OPTIONS = (
    f"--devices {NUM_RANKS} --device cpu --k 3 --k-i 2 --hidden-channels 8 --batch-size 32 "
    "--epochs 6 --patience 6 --lr 0.02 --quiet"
)


def train(folder: Path, mode: str) -> int:
    """Runs the command and returns its exit code."""
    launch = Trainer.launch

    def joined(trainer: Trainer) -> Ranks:
        # The state of every epoch is stored.
        trainer.checkpoint_seconds = 0
        ranks = launch(trainer)
        # Before, the program that starts the processes ends the others.
        folder.with_suffix(f".{ranks.rank}.joined").touch()
        return ranks

    Trainer.launch = joined  # type: ignore[method-assign]
    data = folder.with_name(DATA)
    return soil_pyg(f"train {data} --out {folder} {OPTIONS} {MODES[mode]}".split())


def start(folder: Path, mode: str) -> list[int]:
    """Starts the processes, with the variables that torchrun sets, and returns their ids."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    for rank in range(NUM_RANKS):
        folder.with_suffix(f".{rank}.joined").unlink(missing_ok=True)
    pids = []
    for rank in range(NUM_RANKS):
        pid = os.fork()
        if pid == 0:
            names = {"WORLD_SIZE": NUM_RANKS, "LOCAL_WORLD_SIZE": NUM_RANKS, "RANK": rank}
            names |= {"LOCAL_RANK": rank, "GROUP_RANK": 0, "MASTER_PORT": port}
            os.environ |= {name: str(value) for name, value in names.items()}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "kills"}
            errors = os.open(
                folder.with_suffix(f".{rank}.log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            )
            os.dup2(errors, 2)
            code = 1
            try:
                code = train(folder, mode)
            except BaseException as error:
                os.write(2, repr(error).encode())
            os._exit(code)
        pids.append(pid)
    return pids


def wait_for_start(folder: Path) -> None:
    """Waits until all processes have joined."""
    deadline = time.monotonic() + SECONDS
    for rank in range(NUM_RANKS):
        while not folder.with_suffix(f".{rank}.joined").exists():
            assert time.monotonic() < deadline, "the processes do not start"
            time.sleep(0.01)


def wait(pids: Sequence[int]) -> list[int | None]:
    """Returns the exit codes of processes, :obj:`None` for those that do not end."""
    codes: dict[int, int] = {}
    deadline = time.monotonic() + SECONDS
    while len(codes) < len(pids) and time.monotonic() < deadline:
        for pid in set(pids) - set(codes):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                codes[pid] = os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    for pid in set(pids) - set(codes):
        os.kill(pid, signal.SIGKILL)
    return [codes.get(pid) for pid in pids]


def content(folder: Path) -> dict[str, Any]:
    """Returns the files of a run without what differs from run to run."""
    found: dict[str, Any] = {}
    for path in folder.rglob("*"):
        if path.name == "run.json":
            run = json.loads(path.read_text())
            found["run.json"] = {k: v for k, v in run.items() if k not in ("seconds", "checksum")}
        elif path.is_file() and path.name != "state.safetensors":
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def kill(folder: Path, mode: str, rank: int, delay: float, expected: dict[str, Any]) -> list[Any]:
    """Kills a rank some time after all have joined, trains again, and returns the arguments, the
    exit codes, the seconds until the end, and what is wrong. A rank that has ended by then is
    killed earlier in another run.
    """
    for _ in range(TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        pids = start(folder, mode)
        wait_for_start(folder)
        time.sleep(delay)
        begin = time.monotonic()
        os.kill(pids[rank], signal.SIGKILL)
        codes = wait(pids)
        seconds = time.monotonic() - begin
        if codes[rank] == -signal.SIGKILL:
            break
        delay /= 2
    is_finished = (folder / "run.json").exists()
    found = [] if codes[rank] == -signal.SIGKILL else ["was not killed"]
    for other, code in enumerate(codes):
        if code is None:
            found.append(f"rank {other} does not end")
        if other != rank and code == 0 and not is_finished:
            found.append(f"rank {other} ends without an error")
    if wait(start(folder, mode)) != [0] * NUM_RANKS:
        found.append("cannot be resumed")
    elif content(folder) != expected:
        found.append("other content")
    return [mode, rank, round(delay, 2), codes, round(seconds, 1), ", ".join(found)]


def main(folder: Path, number: int, first: int = 0) -> None:
    expected, seconds = {}, {}
    (folder / DATA).mkdir()
    save_data_folder(folder / DATA, SyntheticMultimodal(60, 40)[0], None, {})
    for mode in MODES:
        place = folder / mode.replace(" ", "_")
        pids = start(place, mode)
        wait_for_start(place)
        begin = time.monotonic()
        assert wait(pids) == [0] * NUM_RANKS, mode
        seconds[mode] = time.monotonic() - begin
        expected[mode] = content(place)
    for index in range(first, first + number):
        mode = list(MODES)[index % len(MODES)]
        rng = random.Random(index)
        rank, delay = rng.randrange(NUM_RANKS), rng.random() * seconds[mode]
        found = kill(folder / "killed", mode, rank, delay, expected[mode])
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
