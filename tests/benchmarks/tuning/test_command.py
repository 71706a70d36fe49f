import importlib.util
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from run import main
from soil_bench.runs import jobs
from soil_bench.runs.experiment import Experiment, Variant
from soil_bench.runs.results import run_key
from soil_bench.tuning.command import Tuning
from soil_bench.tuning.search import only_one
from soil_bench.tuning.training import Outcome, Training
from soil_pyg.configs import available_configs
from soil_pyg.training.trainer import Trainer

SEARCH = ["--search.reg", "0.1,0.5,1.0", "--search.hidden_channels", "4"]
MODULE = """
from soil_pyg.models import BPR


class Mine(BPR):
    profiles = {"small": {"hidden_channels": 4}, "large": {"hidden_channels": 6}}
"""


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The digest of the sources, which do not change in a test."""
    found = {"soil_pyg": "0", "code": "of the test"}
    monkeypatch.setattr(jobs, "versions_and_code", lambda model_class: dict(found))
    return found


@pytest.fixture
def arguments(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: dict[str, str]
) -> list[str]:
    """The arguments of a tiny search, and in the working directory a model of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "tune_models", raising=False)
    (tmp_path / "tune_models.py").write_text(MODULE)
    return ["tune", *tiny, "--epochs", "3", "--seeds", "2"]


def changed(arguments: list[str], flag: str, value: str) -> list[str]:
    if flag not in arguments:
        return [*arguments, flag, value]
    place = arguments.index(flag) + 1
    return [*arguments[:place], value, *arguments[place + 1 :]]


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The options of the trials that are begun."""
    found = []
    run = Training.run

    def listen(self: Training, options: dict[str, Any]) -> Outcome:
        found.append(options)
        return run(self, options)

    monkeypatch.setattr(Training, "run", listen)
    return found


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[Variant]:
    """The winners, which are not run."""
    found: list[Variant] = []

    def run(self: Experiment, variants: list[Variant]) -> list[list[dict[str, Any]]]:
        found.extend(variants)
        values = {"best_epoch": 1, "val": {}, "test": {}, "seconds": {"total": 1.0}}
        return [[job.record | values for job in self.jobs(variant)] for variant in variants]

    monkeypatch.setattr(Experiment, "run", run)
    return found


def tuned(tmp_path: Path, name: str = "tiny-bpr", out: str = "out") -> dict[str, Any]:
    return json.loads((tmp_path / out / "records" / f"tuned-{name}.json").read_text())


def test_search_to_the_end(
    arguments: list[str],
    tmp_path: Path,
    begun: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From the arguments to the tested winner, and again: nothing is done twice."""
    arguments = changed(arguments, "--seeds", "1")
    arguments += ["--models", "bpr", *SEARCH]
    assert main(arguments) == 0
    assert begun[0] == {"reg": 0.1, "hidden_channels": 4}
    assert sorted(options["reg"] for options in begun) == [0.1, 0.5, 1.0]
    record = tuned(tmp_path)
    assert (record["model"], record["dataset"], record["profile"]) == ("bpr", "tiny", None)
    assert record["search"] == {"reg": [0.1, 0.5, 1.0], "hidden_channels": [4]}
    assert record["fixed"]["epochs"] == 3
    assert "reg" not in record["fixed"]
    assert record["num_trials"] == 3
    assert record["states"] == {"complete": 3}
    assert [trial["settings"] for trial in record["trials"]] == begun
    assert record["winner"]["value"] == max(trial["value"] for trial in record["trials"])
    assert record["winner"] in record["trials"]
    assert set(record["versions"]) >= {"soil_pyg", "code", "optuna", "machine", "date"}

    # The winner alone is run and tested; its first seed comes out as in the trial.
    (line,) = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    run = json.loads(line)
    assert record["winner"]["settings"].items() <= run["settings"].items()
    assert run["val"]["recall@20"] == pytest.approx(record["winner"]["value"])
    assert record["runs"] == [run_key(run)]
    assert record["test"]["ndcg@20"] == {"mean": run["test"]["ndcg@20"], "std": None}

    output = capsys.readouterr().out
    assert "[3/15] complete after 3 epochs, val recall@20" in output
    assert "all 3 combinations were tried" in output
    assert "bpr on tiny: trials by their val metric" in output
    assert output.count("winner") == 1
    assert f"{run['test']['ndcg@20']:.4f}" in output
    assert list((tmp_path / "out" / "trials").iterdir()) == []

    assert main(arguments) == 0
    assert len(begun) == 3
    assert tuned(tmp_path) == record
    output = capsys.readouterr().out
    assert "3 trials finished before" in output
    assert "[1/1] bpr-tiny-seed0-" in output
    assert "finished before, not run again" in output


@pytest.mark.usefixtures("chosen")
def test_the_number_of_trials_counts_earlier_ones(
    arguments: list[str], tmp_path: Path, begun: list[dict[str, Any]]
) -> None:
    arguments = changed(arguments, "--seeds", "1")
    arguments += ["--models", "bpr", *SEARCH]
    assert main([*arguments, "--trials", "1"]) == 0
    assert main([*arguments, "--trials", "2", "--trial-seeds", "1"]) == 0
    assert len(begun) == 2
    assert tuned(tmp_path)["num_trials"] == 2


@pytest.mark.usefixtures("chosen")
def test_what_decides_the_values_begins_another_study_in_the_same_file(
    arguments: list[str], tmp_path: Path, begun: list[dict[str, Any]], code: dict[str, str]
) -> None:
    arguments = changed(arguments, "--seeds", "1")
    arguments += ["--models", "bpr", *SEARCH, "--trials", "1"]
    assert main(arguments) == 0
    changes = [["--epochs", "2"], ["--trial-seeds", "2"], ["--search.reg", "0.1,0.2"]]
    for change in changes:
        assert main(changed(arguments, *change)) == 0
    code["code"] = "other"
    assert main(arguments) == 0
    assert len(begun) == 5
    assert main([*arguments, "--sampler-seed", "3"]) == 0
    assert len(begun) == 5
    files = sorted(path.name for path in (tmp_path / "out" / "studies").iterdir())
    assert files == ["tiny-bpr.journal", "tiny-bpr.lock"]


def test_the_winner_is_chosen_by_the_val_metric_alone(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: list[Variant]
) -> None:
    values = {0.1: 0.2, 0.5: 0.9, 1.0: 0.3}
    monkeypatch.setattr(Training, "run", lambda self, options: Outcome(values[options["reg"]], 1))
    assert main([*arguments, "--models", "bpr", *SEARCH]) == 0
    winner = {"reg": 0.5, "hidden_channels": 4}
    assert tuned(tmp_path)["winner"]["settings"] == winner
    assert chosen == [Variant("bpr", "bpr", options=winner)]


@pytest.mark.usefixtures("chosen")
def test_interrupted_search_goes_on(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    begun: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = changed(arguments, "--seeds", "1")
    arguments += ["--models", "bpr", *SEARCH]
    assert main(changed(arguments, "--out", "whole")) == 0
    whole = [*begun]
    begun.clear()
    fit, epochs = Trainer.fit, []

    def stop(self: Trainer, *args: Any, **options: Any) -> Any:
        def count(result: Any) -> None:
            epochs.append(result.epochs)
            if len(epochs) == 5:
                raise KeyboardInterrupt

        return fit(self, *args, on_epoch=count, **options)

    monkeypatch.setattr(Trainer, "fit", stop)
    assert main(arguments) == 130
    assert "the same command" in capsys.readouterr().err
    assert len(list((tmp_path / "out" / "trials").iterdir())) == 1
    assert main(arguments) == 0
    # The second trial is begun twice, but none of its epochs.
    assert begun == [whole[0], whole[1], *whole[1:]]
    assert epochs == [1, 2, 3] * 3
    assert tuned(tmp_path)["trials"] == tuned(tmp_path, out="whole")["trials"]
    assert list((tmp_path / "out" / "trials").iterdir()) == []


@pytest.mark.usefixtures("chosen")
def test_folder_of_a_finished_trial_is_deleted_later(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = changed(arguments, "--seeds", "1")
    arguments += ["--models", "bpr", *SEARCH, "--trials", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(Training, "forget", lambda self, options: None)
        assert main(arguments) == 0
    assert len(list((tmp_path / "out" / "trials").iterdir())) == 1
    assert main(arguments) == 0
    assert list((tmp_path / "out" / "trials").iterdir()) == []


@pytest.mark.usefixtures("chosen")
def test_model_of_ones_own_and_its_profiles(arguments: list[str], tmp_path: Path) -> None:
    arguments = changed(arguments, "--seeds", "1")
    arguments += ["--models", "tune_models:Mine", "--trials", "1"]
    arguments += ["--search", "{reg: [0.1, 0.01]}"]
    assert main(arguments) == 0
    assert main([*arguments, "--profile", "large"]) == 0
    for name, profile, size in (("mine", "small", 4), ("mine-large", "large", 6)):
        record = tuned(tmp_path, f"tiny-{name}")
        assert record["profile"] == profile
        assert record["fixed"]["hidden_channels"] == size
        assert (tmp_path / "out" / "studies" / f"tiny-{name}.journal").exists()


@pytest.mark.usefixtures("chosen")
def test_a_search_of_another_model_is_not_replaced(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*changed(arguments, "--seeds", "1"), "--search", "{reg: [0.1]}", "--trials", "1"]
    assert main([*arguments, "--models", "bpr,soil_pyg.models.bpr:BPR"]) == 2
    assert re.search("'--models'.*distinct names", capsys.readouterr().err)
    assert main([*arguments, "--models", "tune_models:Mine"]) == 0
    path = tmp_path / "out" / "records" / "tuned-tiny-mine.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"model": "others:Mine"}))
    assert main([*arguments, "--models", "tune_models:Mine"]) == 2
    assert re.search("'--out'.*'others:Mine'.*'tune_models:Mine'", capsys.readouterr().err)
    assert json.loads(path.read_text())["model"] == "others:Mine"


def test_all_trials_fail(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: Training, options: dict[str, Any]) -> Outcome:
        return Outcome(None, 0, f"as told with {options['reg']}")

    monkeypatch.setattr(Training, "run", fail)
    assert main([*arguments, "--models", "bpr", *SEARCH]) == 1
    assert "all 3 trials failed, the last: as told with" in capsys.readouterr().err


@pytest.mark.usefixtures("chosen")
def test_several_models_have_equal_searches(
    arguments: list[str], tmp_path: Path, begun: list[dict[str, Any]]
) -> None:
    """Each model takes the given values of the options that it has."""
    arguments = changed(arguments, "--seeds", "1")
    search = ["--search.num_layers", "1,2", "--search.reg", "0.1,0.2"]
    assert main([*arguments, "--models", "bpr,lightgcn", *search, "--trials", "2"]) == 0
    assert tuned(tmp_path)["search"] == {"reg": [0.1, 0.2]}
    assert tuned(tmp_path, "tiny-lightgcn")["search"] == {"num_layers": [1, 2], "reg": [0.1, 0.2]}
    assert [set(options) for options in begun] == [{"reg"}] * 2 + [{"reg", "num_layers"}] * 2
    assert tuned(tmp_path)["num_trials"] == tuned(tmp_path, "tiny-lightgcn")["num_trials"] == 2


@pytest.mark.slow
def test_all_models_are_those_with_settings_to_search(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    monkeypatch.setattr(Tuning, "run", lambda self: found.append(self.name))
    assert main([*arguments, "--models", "all", "--search.modalities", "[[text]]"]) == 0
    names = {f"tiny-{name}" for name in available_configs()}
    assert names - set(found) == {"tiny-popularity"}


@pytest.mark.usefixtures("chosen")
def test_others_are_searched_after_one_that_fails(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Training.run

    def fail(self: Training, options: dict[str, Any]) -> Outcome:
        if self.selected.name == "bpr":
            return Outcome(None, 0, "as told")
        return run(self, options)

    monkeypatch.setattr(Training, "run", fail)
    arguments = changed(arguments, "--seeds", "1")
    assert main([*arguments, "--models", "bpr,lightgcn", "--trials", "1"]) == 1
    assert "tiny-bpr: all 1 trials failed" in capsys.readouterr().err
    assert tuned(tmp_path, "tiny-lightgcn")["num_trials"] == 1


def test_option_of_none_of_the_models_is_refused(
    arguments: list[str], begun: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--models", "bpr,lightgcn", "--search.k_a", "1,2"]) == 2
    assert "'--search.k_a' is an option of none of the models" in capsys.readouterr().err
    assert begun == []


@pytest.mark.usefixtures("chosen")
def test_workers_do_not_change_the_trials(arguments: list[str], tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed (the extra 'cluster')")
    arguments = changed(arguments, "--seeds", "1")
    arguments += ["--models", "bpr", "--trials", "2", "--search.reg", "0.1,0.5,1.0"]
    assert main(changed(arguments, "--out", "whole")) == 0
    assert main([*arguments, "--workers", "2"]) == 0
    assert tuned(tmp_path)["trials"] == tuned(tmp_path, out="whole")["trials"]
    assert list((tmp_path / "out" / "trials").iterdir()) == []
    assert len(list((tmp_path / "out" / "logs").iterdir())) == 2


@pytest.mark.usefixtures("chosen")
def test_no_two_processes_make_the_same_trials(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = changed(arguments, "--seeds", "1")
    arguments += ["--models", "bpr", *SEARCH, "--trials", "1"]
    with only_one(tmp_path / "out" / "studies" / "tiny-bpr.lock"):
        assert main(arguments) == 2
    assert "tiny-bpr.lock' is locked" in capsys.readouterr().err
    assert main(arguments) == 0


def test_without_optuna(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "optuna" else find_spec(name)
    )
    assert main([*arguments, "--models", "bpr"]) == 2
    assert "optuna" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_process_comes_to_the_same_trials(
    arguments: list[str],
    tmp_path: Path,
    start: Callable[[list[str]], subprocess.Popen],
    number: signal.Signals,
) -> None:
    arguments = changed(arguments, "--epochs", "200")
    arguments += ["--models", "bpr", *SEARCH, "--search.patience", "200"]
    arguments = changed(arguments, "--seeds", "1")
    for out, is_stopped in (("whole", False), ("out", True), ("out", False)):
        process = start(changed(arguments, "--out", out))
        if is_stopped:
            while not list(tmp_path.glob(f"{out}/trials/*")):
                assert process.poll() is None, process.communicate()
                time.sleep(0.05)
            time.sleep(1)
            process.send_signal(number)
        output = process.communicate()
        stopped_code = {signal.SIGINT: 130, signal.SIGKILL: -9}[number]
        assert process.returncode == (stopped_code if is_stopped else 0), output
    assert tuned(tmp_path)["trials"] == tuned(tmp_path, out="whole")["trials"]
