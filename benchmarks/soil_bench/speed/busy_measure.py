"""The training beside a busy process. As a program, trains for as many epochs as its argument."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from soil_bench.runs.results import Record
from soil_pyg.utils.threads import VARIABLES

WAYS: dict[str, dict[str, str]] = {
    "as soil_pyg sets them": {},
    "`OMP_WAIT_POLICY=PASSIVE`": {"OMP_WAIT_POLICY": "PASSIVE"},
    "300,000 spins, as GNU's OpenMP": {"GOMP_SPINCOUNT": "300000"},
}
"""The environment variables of each way to wait."""


def train_beside(way: str, is_busy: bool, epochs: int, limit: int) -> Record:
    """Returns the seconds of a training, :obj:`None` if it was ended after the limit.

    Args:
        way (str): The way in which threads wait.
        is_busy (bool): Whether another process keeps a core busy.
        epochs (int): The number of epochs.
        limit (int): The seconds after which the training is ended.
    """
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-m", "soil_bench.speed.busy_measure", str(epochs)]
    with busy_process(is_busy):
        try:
            done = subprocess.run(
                command,
                check=True,
                stdout=subprocess.PIPE,
                timeout=limit,
                env=environment | WAYS[way],
            )
        except subprocess.TimeoutExpired:
            return {"seconds": None}
        return {"seconds": float(done.stdout)}


@contextmanager
def busy_process(is_busy: bool = True) -> Iterator[subprocess.Popen[bytes] | None]:
    """Keeps a core busy by a process, if asked to."""
    if not is_busy:
        yield None
        return
    # It ends with the pipe even if this process is killed.
    code = "import select\nwhile not select.select([0], [], [], 0)[0]: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def main(epochs: int) -> None:
    """Trains SOIL on the built-in data and prints the seconds."""
    from torch_geometric import seed_everything

    from soil_pyg.datasets import SyntheticMultimodal
    from soil_pyg.models import SOIL
    from soil_pyg.training import Trainer

    data = SyntheticMultimodal()[0]
    start = time.perf_counter()
    data = SOIL.graph_transform("released")(data)
    seed_everything(0)
    Trainer(epochs=epochs).fit(SOIL.from_data(data, "released"), data)
    sys.stdout.write(str(time.perf_counter() - start))


if __name__ == "__main__":
    main(int(sys.argv[1]))
