import io
import sys
from pathlib import Path

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
    assert f"'{run}' holds the run: best epoch" in err
    settings = trained.settings
    known = {"model": "soil", "k": 4, "epochs": 2, "lr": 0.01, "profile": "released", "k_a": 2}
    assert {name: settings[name] for name in known} == known


def test_a_run_that_diverges_says_so_in_a_line(
    data_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flags = ["--model", "lightgcn", "--lr", "1e30", "--epochs", "3"]
    assert cli.main(command(data_folder, tmp_path / "run", *flags)) == 1
    assert capfd.readouterr().err.startswith("soil-pyg train: Epoch 1: The scores must be")


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
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "cli_own.py").write_text(OWN_MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "cli_own", raising=False)
    flags = ["--model", "cli_own:Mine", "--width", "6", "--epochs", "1"]
    assert cli.main(command(data_folder, tmp_path / "run", *flags)) == 0
    assert soil_pyg.load(tmp_path / "run").user_emb.size() == (30, 6)
    assert cli.main(command(data_folder, tmp_path / "other", "--model", "cli_own:Clash")) == 2
    assert "its option 'out' cannot be a flag" in capfd.readouterr().err


def test_help_is_that_of_the_model(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--help"]) == 0
    soil = capfd.readouterr().out
    assert cli.main(["train", "--model", "lightgcn", "--help"]) == 0
    lightgcn = capfd.readouterr().out
    assert "--l_ui" in soil
    assert "--l_ui" not in lightgcn
    assert "settings of lightgcn" in lightgcn
    assert "soil-pyg train DATA --model soil --k 5" in soil


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "bpr", "--k", "5"], "'--k' is no flag for model 'bpr'; there are --out, "),
        (["--hidden", "5"], "'--hidden' is no flag for model 'soil'; there are --out, "),
        (["--model", "sail"], "The model 'sail' is not one of bm3, bpr"),
        (["--model"], "--model: expected one argument"),
        (["--epochs", "three"], "--epochs: expected int"),
        (["--epochs", "0"], "'epochs' must be at least 1 (got 0)"),
        (["--seed", "x"], "--seed: expected int"),
        (["--profile", "new"], "'profile' must be one of paper, released, best for model 'soil'"),
        (["--modalities", "[sound]"], "'modalities' must be among those of the data: image, text"),
        (["--format", "xml"], "--format: "),
        (["--device", "abacus"], "--device: "),
        (["--init", "nowhere"], "The folder 'nowhere' does not exist"),
    ],
)
def test_wrong_flags(
    data_folder: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
) -> None:
    run = tmp_path / "run"
    assert cli.main(["train", str(data_folder), "--out", str(run), *flags]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("soil-pyg train: ")
    assert message in err
    assert not run.exists()


def test_wrong_folders(
    data_folder: Path, run_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    for data, out, message in [
        (tmp_path / "no", tmp_path / "run", "The data folder"),
        (run_folder, tmp_path / "run", "has no prepare.json: prepare the data there first"),
        (data_folder, run_folder, "holds a run that differs"),
        (data_folder, data_folder, "holds other files (data.safetensors)"),
    ]:
        assert cli.main(["train", str(data), "--out", str(out), "--device", "cpu"]) == 2
        err = capfd.readouterr().err
        assert err.count("\n") == 1
        assert message in err
    (data_folder / "data.safetensors").write_bytes(b"damaged")
    assert cli.main(command(data_folder, tmp_path / "run")) == 2
    assert "data.safetensors' is not the file that was written" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_without_tensorboard(
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert cli.main(command(data_folder, tmp_path / "run", "--tensorboard")) == 1
    assert "TensorBoard is not installed" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()
