import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import run
import soil_pyg
from run import main
from soil_bench.runs import jobs
from soil_bench.runs.experiment import FailedRunsError

Start = Callable[[list[str]], subprocess.Popen]
StartLong = Callable[[Path], subprocess.Popen]
KEYS = [
    "checksum",
    "model",
    "profile",
    "dataset",
    "data_digest",
    "seed",
    "best_epoch",
    "epochs",
    "val",
    "test",
    "seconds",
    "peak_rss_mb",
    "peak_gpu_mb",
    "settings",
    "versions",
]
MODULE = """
from soil_pyg.models import BPR


class Mine(BPR):
    def __init__(self, num_users, num_items, in_channels=None, *, fails: bool = False):
        super().__init__(num_users, num_items, hidden_channels=4)
        self.fails = fails

    def loss(self, data, batch):
        if self.fails:
            raise RuntimeError("as told")
        return super().loss(data, batch)
"""


@pytest.fixture
def arguments(tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of a tiny run, and in the working directory a model of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    code = {"soil_pyg": soil_pyg.__version__, "code": "as in this test"}
    monkeypatch.setattr(jobs, "versions_and_code", lambda model_class: code)
    monkeypatch.delitem(sys.modules, "run_models", raising=False)
    (tmp_path / "run_models.py").write_text(MODULE)
    return [*tiny, "--seeds", "1", "--epochs", "2"]


def changed(arguments: list[str], **values: str) -> list[str]:
    """Returns the arguments with other values of flags, which may occur once."""
    found = list(arguments)
    for name, value in values.items():
        found[found.index(f"--{name}") + 1] = value
    return found


def records(tmp_path: Path) -> list[dict[str, Any]]:
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_run_that_diverges_says_so_in_a_line(
    arguments: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--models", "lightgcn", "--lightgcn.lr", "1e30"]) == 1
    error = capfd.readouterr().err
    assert "error: Epoch 1: The scores must be finite" in error
    assert "Traceback" not in error
    assert not (tmp_path / "out" / "results.jsonl").exists()


def test_another_split_of_a_public_data_set_is_refused(
    arguments: list[str], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "tiny").rename(root / "baby")
    (root / "baby" / "tiny.inter").rename(root / "baby" / "baby.inter")
    assert main(changed(arguments, dataset="baby")) == 2
    assert "baby.inter is not the published 'baby'" in capsys.readouterr().err


def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--models", "itemknn", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--itemknn.shrink" in text
    assert "--bpr.reg" not in text


def test_run_to_the_end(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run from the arguments to the table, and again: it is not run twice."""
    arguments += ["--models", "soil", "--soil.k", "3", "--soil.hidden_channels", "8"]
    assert main(arguments) == 0
    (record,) = records(tmp_path)
    assert sorted(record) == sorted(KEYS)
    assert (record["model"], record["profile"], record["seed"]) == ("soil", "released", 0)
    assert (record["dataset"], record["epochs"], record["peak_gpu_mb"]) == ("tiny", 2, None)
    assert record["best_epoch"] in (1, 2)
    expected = {"k": 3, "k_i": 10, "hidden_channels": 8, "epochs": 2, "contrast": "info_nce"}
    assert {name: record["settings"][name] for name in expected} == expected
    metrics = {f"{name}@{k}" for name in ("recall", "ndcg", "precision", "map") for k in (5, 20)}
    assert metrics <= set(record["test"])
    assert set(record["test"]) == set(record["val"])
    assert all(0 <= value <= 1 for value in record["test"].values())
    assert list(record["seconds"]) == ["graphs", "train", "evaluate", "total"]
    assert record["seconds"]["total"] >= sum(list(record["seconds"].values())[:3])
    assert 50 < record["peak_rss_mb"] < 10_000
    assert record["versions"]["soil_pyg"] == soil_pyg.__version__

    output = capsys.readouterr().out
    assert f"Test metrics on tiny ({record['data_digest'][:12]})" in output
    assert f"{record['test']['recall@20']:.4f}" in output
    (folder,) = (tmp_path / "out" / "runs").iterdir()
    trained = soil_pyg.load(folder)
    assert trained.settings == record["settings"]
    assert trained.metrics["test"] == record["test"]

    before = (tmp_path / "out" / "results.jsonl").read_text()
    assert main(arguments) == 0
    assert "finished before, not run again" in capsys.readouterr().out
    assert (tmp_path / "out" / "results.jsonl").read_text() == before


def test_a_run_that_fails_leaves_the_others(
    arguments: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mine = ["--models", "run_models:Mine,popularity", "--mine.fails", "true"]
    assert main([*arguments, *mine]) == 1
    output = capfd.readouterr()
    assert "RuntimeError: as told" in output.err
    assert "failed: mine-tiny-seed0-" in output.err
    assert [record["model"] for record in records(tmp_path)] == ["popularity"]
    assert records(tmp_path)[0]["profile"] is None

    assert main([*arguments, "--models", "popularity", "--rerun"]) == 0
    first, second = records(tmp_path)
    assert first["test"] == second["test"]


@pytest.fixture
def start_long(start: Start, arguments: list[str]) -> StartLong:
    """Starts a long run of a model of one's own, and returns once it is under way."""
    # Many epochs: on a fast machine 300 of them are over before the signal comes.
    long = ["--models", "run_models:Mine", "--mine.patience", "3000"]

    def begin(out: Path) -> subprocess.Popen:
        process = start([*changed(arguments, epochs="3000", out=str(out)), *long])
        while not list(out.glob("runs/*")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        time.sleep(0.5)
        return process

    return begin


def test_interrupt(start_long: StartLong, tmp_path: Path) -> None:
    process = start_long(tmp_path / "out")
    process.send_signal(signal.SIGINT)
    assert "run.py: interrupted: the same command" in process.communicate()[1]
    assert process.returncode == 130
    assert not (tmp_path / "out" / "results.jsonl").exists()
    (folder,) = (tmp_path / "out" / "runs").iterdir()
    assert (folder / "state.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_run_comes_to_the_same_numbers(
    start_long: StartLong, tmp_path: Path, number: signal.Signals
) -> None:
    whole = start_long(tmp_path / "whole")
    whole.communicate()
    assert whole.returncode == 0
    stopped = start_long(tmp_path / "out")
    stopped.send_signal(number)
    stopped.communicate()
    assert not (tmp_path / "out" / "results.jsonl").exists()
    again = start_long(tmp_path / "out")
    again.communicate()
    assert again.returncode == 0
    (record,) = records(tmp_path)
    expected = json.loads((tmp_path / "whole" / "results.jsonl").read_text())
    for name in ("test", "val", "best_epoch", "epochs"):
        assert record[name] == expected[name]


@pytest.mark.parametrize(
    ("outcome", "code", "message"),
    [
        (0, 0, ""),
        (1, 1, ""),
        (ValueError("as told"), 2, "run.py other: as told\n"),
        (FailedRunsError("failed: a"), 1, "run.py other: failed: a\n"),
        (KeyboardInterrupt(), 130, "run.py other: interrupted: the same command"),
    ],
)
def test_commands(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outcome: int | BaseException,
    code: int,
    message: str,
) -> None:
    given: list[list[str]] = []

    def other(argv: list[str]) -> int:
        given.append(argv)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(run.COMMANDS, "other", ("run_other", "what it does"))
    monkeypatch.setitem(sys.modules, "run_other", SimpleNamespace(main=other))
    assert main(["other", "--k", "3"]) == code
    assert given == [["--k", "3"]]
    assert capsys.readouterr().err.startswith(message)


def test_help_names_the_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert main(["--help"]) == 0
    output = " ".join(capsys.readouterr().out.split())
    known = set(run.COMMANDS)
    assert {"libraries", "indexes", "systems", "graphs", "scale", "pipeline", "growth"} <= known
    assert {"tune", "paper", "fidelity", "newcomers", "missing", "patience", "verify"} <= known
    for name, (module, text) in run.COMMANDS.items():
        assert f"'run.py {name}': {text}" in output
        assert callable(import_module(module).main)
