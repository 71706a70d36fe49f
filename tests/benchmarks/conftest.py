import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import run as benchmark
from soil_bench.runs import jobs
from soil_bench.runs.execution import Execution
from soil_bench.runs.jobs import PAIRED, Job
from soil_bench.runs.results import METRICS, append_record, run_key
from soil_bench.runs.run_job import run as run_job
from soil_bench.runs.run_job import save_users
from soil_bench.speed.graphs_report import rows

VERSIONS = {"torch": "2.13.0", "code": "secret", "machine": "A, 2 threads", "date": "2026-01-02"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the data set "tiny": 30 users, 20 items and three modalities."""
    write_data(tmp_path / "root" / "tiny", num_users=30, num_items=20)
    return tmp_path / "root"


@pytest.fixture
def wide(root: Path, tiny: list[str]) -> list[str]:
    """The arguments of runs on the data set "wide", with more items than users."""
    write_data(root / "wide", num_users=15, num_items=20)
    return ["wide" if word == "tiny" else word for word in tiny]


def write_data(folder: Path, num_users: int, num_items: int) -> None:
    """Writes a data set with three modalities."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    lines = ["userID\titemID\tx_label"]
    for user in range(num_users):
        items = rng.permutation(num_items)[:8]
        labels = [0, 0, 0, 0, 0, 0, 1, 2]
        lines += [f"{user}\t{item}\t{label}" for item, label in zip(items, labels, strict=True)]
    (folder / f"{folder.name}.inter").write_text("\n".join(lines) + "\n")
    for modality, size in {"audio": 4, "image": 6, "text": 5}.items():
        features = rng.standard_normal((num_items, size)).astype("f4")
        np.save(folder / f"{modality}_feat.npy", features)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder of the results, which does not exist yet."""
    return tmp_path / "out"


@pytest.fixture
def tiny(root: Path, out: Path) -> list[str]:
    """The arguments of runs on the data set "tiny"."""
    return ["--dataset", "tiny", "--root", str(root), "--device", "cpu", "--out", str(out)]


@pytest.fixture
def record_of(out: Path) -> Callable[[str], dict[str, Any]]:
    """Reads the record of an experiment on the data set "tiny"."""
    return lambda name: json.loads((out / "records" / f"{name}-tiny.json").read_text())


@pytest.fixture
def refuses(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[list[str], str], None]:
    """Checks that arguments are refused with a message, and that nothing is written."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def check(argv: list[str], message: str) -> None:
        assert benchmark.main(argv) == 2
        error = capsys.readouterr().err
        name = argv[0] if argv[0] in benchmark.COMMANDS else ""
        assert error.startswith(f"run.py {name}".strip() + ": ")
        assert re.search(message, error)
        assert error.count("\n") == 1
        assert not out.exists()

    return check


@pytest.fixture
def start() -> Callable[[list[str]], subprocess.Popen]:
    """Starts the benchmark as a program."""
    script = Path(benchmark.__file__)
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    pipe = subprocess.PIPE
    return lambda argv: subprocess.Popen(
        [sys.executable, str(script), *argv], env=environment, stdout=pipe, stderr=pipe, text=True
    )


@pytest.fixture
def drawn_runs(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    """Instead of training, draws the metrics of a run, seeded by its key; the best of a test
    metric has the worst of the same val metric.

    Called with settings, makes all runs that have them fail.
    """
    failing: dict[str, Any] = {}

    def run_processes(
        module: str, lines: Sequence[str], execution: Execution, logs: Any, on_start: Any
    ) -> Iterator[tuple[int, int]]:
        for number, line in enumerate(lines):
            on_start(number)
            job = Job(**json.loads(line))
            if failing and failing.items() <= job.record["settings"].items():
                yield number, 1
                continue
            rng = np.random.default_rng(zlib.crc32(run_key(job.record).encode()))
            users = {name: rng.random(30) for name in PAIRED}
            test = {name: float(rng.random()) for name in METRICS}
            test |= {name: float(values.mean()) for name, values in users.items()}
            save_users(job.users_file, users)
            found = {
                "versions": job.record["versions"] | {"date": f"2026-01-0{1 + job.record['seed']}"},
                "best_epoch": 1,
                "val": {name: 1 - value for name, value in test.items()},
                "seconds": {"total": 1.0},
                "test": test,
            }
            append_record(job.results_file, job.record | found)
            yield number, 0

    versions = {"torch": "2", "code": "of the test"}
    monkeypatch.setattr(jobs, "versions_and_code", lambda model_class: versions)
    monkeypatch.setattr(jobs, "run_processes", run_processes)
    return failing.update


@pytest.fixture
def trained_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains runs in this process, which is faster than one for each."""

    def run_processes(
        module: str, lines: Sequence[str], execution: Execution, logs: Any, on_start: Any
    ) -> Iterator[tuple[int, int]]:
        for number, line in enumerate(lines):
            on_start(number)
            run_job(Job(**json.loads(line)))
            yield number, 0

    monkeypatch.setattr(jobs, "versions_and_code", lambda model_class: {"code": "of the test"})
    monkeypatch.setattr(jobs, "run_processes", run_processes)


@pytest.fixture
def graphs_record() -> dict[str, Any]:
    """A record of the benchmark of graphs and steps."""

    def side(graphs: list[float], memory: float, step: float, epoch: float) -> dict[str, Any]:
        size = {"users": 20_000, "items": 7_050, "interactions": 118_551}
        return {
            "graphs": [{"seconds": s, "above_inputs_mb": memory, "size": size} for s in graphs],
            "step": [{"seconds": step}],
            "epoch": [{"train": epoch, "evaluate": 1.0}],
        }

    record = {
        "versions": VERSIONS,
        "data": {"data": "baby", "channels": {"image": 4096, "text": 384}},
        "fast": side([3.0, 1.0, 2.0], memory=1000.0, step=0.2, epoch=9.0),
        "naive": side([2400.0], memory=4000.0, step=0.5, epoch=49.0),
        "roofline": {
            "seconds": 0.05,
            "parts": {"features": {"seconds": 0.02}, "Adam": {"seconds": 0.03}},
            "rates": {"flop": 4e10},
        },
        "difference": {
            "graphs": {
                "user_item": {"entries": 3000, "differing": 1, "tolerance": 1e-5, "largest": 0.25}
            },
            "tied_users": 2,
            "tied_interest": 0,
            "embeddings": 1.5e-8,
        },
    }
    return record | {"rows": rows(record)}


@pytest.fixture
def scale_record() -> dict[str, Any]:
    """A record of the benchmark of scale."""

    def measured(above: float, **more: Any) -> dict[str, Any]:
        return {"above_inputs_mb": above, "peak_rss_mb": above + 500, **more}

    index = {"index": "IVF64,Flat", "parameters": "nprobe=8", "recall": 0.9876}
    search = {
        "item/a_similar/item": index,
        "item/b_similar/item": {**index, "recall": 0.97},
        "user/second_order/item": {**index, "recall": 0.91},
        "item/a_item_item/item": {**index, "recall": 0.95},
    }
    small = {
        "items": 100,
        "users": 200,
        "source": "mixture",
        "graphs": measured(
            20,
            seconds=0.5,
            size={"interactions": 1_600},
            search={"item/a_similar/item": {"index": "Flat", "recall": 1.0}},
        ),
        "training": measured(30, epoch_seconds=2.0, extrapolated=False),
        "naive_graphs": measured(2000, seconds=250.0),
        "naive_training": measured(40, train=7.125),
    }
    large = {
        "items": 1_000_000,
        "users": 2_000_000,
        "source": "mixture",
        "graphs": measured(4000, seconds=1500.25, size={"interactions": 16_000_000}, search=search),
        "training": measured(9000, epoch_seconds=54321.0, extrapolated=True),
        "sampled": measured(300, epoch_seconds=1234.0, extrapolated=True, parts=100),
    }
    return {
        "versions": VERSIONS,
        "channels": {"a": 128, "b": 64},
        "sizes": [small, large],
        "exponents": {"time": {"graphs": 0.869, "epoch": 1.1}, "memory": {}},
    }
