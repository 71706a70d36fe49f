import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import soil_pyg
from soil_pyg import cli

OWN_MODEL = """
from soil_pyg.models import BPR


class Mine(BPR):
    def __init__(self, num_users, num_items, in_channels=None, *, width: int = 4):
        super().__init__(num_users, num_items, hidden_channels=width)


class Clash(BPR):
    def __init__(self, num_users, num_items, in_channels=None, *, seed_: int = 4, out: int = 1):
        super().__init__(num_users, num_items)
"""


def command(data_folder: Path, run: Path, *flags: str) -> list[str]:
    return ["train", str(data_folder), "--out", str(run), "--device", "cpu", *flags]


def test_a_run(data_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flags = ["--k", "4", "--epochs", "2", "--lr", "0.01", "--hidden_channels", "4"]
    run = tmp_path / "run"
    assert cli.main(command(data_folder, run, *flags, "--format", "csv")) == 0
    out, err = capfd.readouterr()
    trained = soil_pyg.load(run)
    frame = pd.read_csv(io.StringIO(out)).set_index("metric")
    assert frame["test"].to_dict() == pytest.approx(trained.metrics["test"])
    assert frame["val"].to_dict() == pytest.approx(trained.metrics["val"])
    best = trained.run["best_epoch"]
    assert all(word in err for word in (f"'{run}'", f"best epoch {best} of 2"))
    settings = trained.settings
    known = {"model": "soil", "k": 4, "epochs": 2, "lr": 0.01, "profile": "released", "k_a": 2}
    assert {name: settings[name] for name in known} == known


def test_a_run_that_diverges_fails_with_one_line(
    data_folder: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    flags = ["--model", "lightgcn", "--lr", "1e30", "--epochs", "3"]
    assert "Epoch 1: " in refused(
        *command(data_folder, tmp_path / "run", *flags, "--quiet"), code=1
    )


def test_a_run_that_stopped_early_names_flags_that_go_on(
    data_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The run stays at its first epoch, and the command with the named flags trains longer."""
    argv = command(data_folder, tmp_path / "run", "--model", "bpr", "--lr", "1e-12")
    assert cli.main([*argv, "--patience", "2"]) == 0
    (record,) = caplog.records
    flags = record.getMessage().rpartition("(")[2].rstrip(")").split()
    assert flags == ["--patience", "60", "--overwrite"]
    assert cli.main([*argv, *flags]) == 0
    trained = soil_pyg.load(tmp_path / "run")
    assert trained.run["epochs"] - trained.run["best_epoch"] == trained.settings["patience"] == 60


def test_options_of_every_type(data_folder: Path, tmp_path: Path) -> None:
    flags = ["--profile", "paper", "--modalities", "[text]", "--ks", "[5,20]", "--epochs", "1"]
    flags += ["--exclude_interacted", "false", "--aggr=sum", "--seed", "7"]
    assert cli.main(command(data_folder, tmp_path / "run", *flags)) == 0
    trained = soil_pyg.load(tmp_path / "run")
    known = {"modalities": ["text"], "ks": [5, 20], "exclude_interacted": False, "aggr": "sum"}
    assert {name: trained.settings[name] for name in known} == known
    assert list(trained.model.in_channels) == ["text"]
    assert (trained.run["trainer"]["seed"], trained.settings["profile"]) == (7, "paper")


def test_a_model_of_the_working_directory(
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[..., str],
) -> None:
    (tmp_path / "cli_own.py").write_text(OWN_MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "cli_own", raising=False)
    flags = ["--model", "cli_own:Mine", "--width", "6", "--epochs", "1"]
    assert cli.main(command(data_folder, tmp_path / "run", *flags)) == 0
    assert soil_pyg.load(tmp_path / "run").user_emb.size() == (30, 6)
    clash = command(data_folder, tmp_path / "other", "--model", "cli_own:Clash")
    assert re.search("cli_own:Clash.*'out'", refused(*clash))


def test_help_is_that_of_the_model(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--help"]) == 0
    soil = capfd.readouterr().out
    assert cli.main(["train", "--model", "lightgcn", "--help"]) == 0
    lightgcn = capfd.readouterr().out
    assert "--l-ui" in soil
    assert "--l-ui" not in lightgcn
    groups = [f"{group} of soil:" for group in ("options", "graphs", "training")]
    assert [line for line in soil.splitlines() if line.endswith(" of soil:")] == groups
    assert "graphs of lightgcn" not in lightgcn
    assert "type: Literal" not in soil
    # Underscores are never shown.
    assert not re.search(r"--\w+_", soil)
    assert "soil-pyg train DATA --model soil --k 5" in soil


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "bpr", "--k", "5"], "'bpr'.*'--k'.*--out, .*--lr"),
        (["--hidden", "5"], "'soil'.*'--hidden'.*--out, .*--hidden-channels"),
        (["--model", "sail"], "'--model' must.*bm3, bpr.*'sail'"),
        (["--model"], "--model: "),
        (["--epochs", "three"], "--epochs: .*three"),
        (["--epochs", "0"], "'--epochs'.*got 0"),
        (["--seed", "x"], "--seed: .* x "),
        (["--profile", "new"], "'--profile'.*paper, released, best.*'soil'.*'new'"),
        (["--modalities", "[sound]"], "'--modalities'.*image, text.*'sound'"),
        (["--format", "xml"], "--format: .*xml"),
        (["--device", "abacus"], "--device: .*abacus"),
        (["--init", "nowhere"], "'nowhere'"),
    ],
)
def test_wrong_flags(
    data_folder: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    flags: list[str],
    message: str,
) -> None:
    run = tmp_path / "run"
    assert re.search(message, refused("train", data_folder, "--out", run, *flags))
    assert not run.exists()


def test_a_file_of_arguments(
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    refused: Callable[..., str],
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["--model", "lightgcn", "--ks", "5", "20", "--hidden-channels", "4", "--seed", "3"]
    assert cli.main(["train", "data", *flags, "--print-config"]) == 0
    Path("some.yaml").write_text(capfd.readouterr().out)
    flags = ["--epochs", "1", "--config", "some.yaml", "--quiet", "--seed", "4"]
    assert cli.main(["train", "data", *flags]) == 0
    assert capfd.readouterr().err == ""
    # Without --out, the folder has the name of the model and the date.
    (run,) = Path("runs").iterdir()
    assert re.fullmatch(r"lightgcn-\d{4}-\d\d-\d\d-\d{6}", run.name)
    trained = soil_pyg.load(run)
    known = {"model": "lightgcn", "ks": [5, 20], "hidden_channels": 4, "epochs": 1}
    assert {name: trained.settings[name] for name in known} == known
    assert trained.run["trainer"]["seed"] == 4
    Path("some.yaml").write_text("model: bpr\nnum_layers: 2\n")
    assert "--config has no option 'num_layers'" in refused("train", "data", *flags)


@pytest.mark.parametrize(
    ("text", "message", "right"),
    [
        ("ks: 5", r"'ks' must be a list, such as ks: \[5\] \(got 5\)", "ks: [20]"),
        ("ks: '5,20'", r"'ks' must be a list, .* ks: \[5,20\] \(got '5,20'\)", "ks: [5, 20]"),
        ("modalities: image", r"'modalities' must be a list.*\(got 'image'\)", "modalities: null"),
    ],
)
def test_a_list_in_a_file_of_arguments(
    data_folder: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    text: str,
    message: str,
    right: str,
) -> None:
    file, flags = tmp_path / "some.yaml", ["--config", tmp_path / "some.yaml", "--quiet"]
    for content in (text, right):
        file.write_text(f"model: vbpr\nepochs: 1\nout: {tmp_path / 'run'}\n{content}\n")
        if content == text:
            assert re.search(f"'--config': {message}", refused("train", data_folder, *flags))
    assert cli.main(["train", *map(str, (data_folder, *flags))]) == 0


def test_a_file_of_arguments_for_more_items_than_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    items = [f"i{i}" for i in range(9)]
    frame = pd.DataFrame({"user": ["a"] * 9 + ["b"] * 9 + ["c"] * 9, "item": items * 3})
    features = {"image": (np.random.default_rng(0).normal(size=(9, 3)), items)}
    soil_pyg.prepare(frame, "DATA", features=features)
    flags = ["--devices", "1", "--engine", "ray", "--tensorboard", "--print-config"]
    assert cli.main(["train", "DATA", *flags]) == 0
    text = capfd.readouterr().out
    assert {"aggregation: sym", "engine: ray", "tensorboard: true"} <= set(text.splitlines())
    assert "devices" not in text
    lines = [line for line in text.splitlines() if line not in ("engine: ray", "tensorboard: true")]
    Path("soil.yaml").write_text("\n".join(lines))
    assert cli.main(["train", "DATA", "--config", "soil.yaml", "--epochs", "1", "--out", "R"]) == 0


def test_a_profile_that_the_model_lacks_is_not_printed(
    data_folder: Path, refused: Callable[..., str]
) -> None:
    flags = ["--model", "bpr", "--profile", "paper", "--print-config"]
    assert "'--profile' must be None for model 'bpr'" in refused("train", data_folder, *flags)


def test_help_shows_the_defaults_of_the_profile(capfd: pytest.CaptureFixture[str]) -> None:
    for profile, default in (([], "sym_user_index"), (["--profile", "paper"], "sum")):
        assert cli.main(["train", "--model", "soil", *profile, "--help"]) == 0
        text = " ".join(capfd.readouterr().out.split())
        assert re.search(r"--aggregation AGGREGATION .*?\(default: (\w+)\)", text)[1] == default


def test_words_after_two_dashes_are_no_flags(
    data_folder: Path, refused: Callable[..., str]
) -> None:
    assert "unrecognized arguments: --epochs" in refused("train", "--", data_folder, "--epochs")
