import io
import json
from pathlib import Path

import pandas as pd
import pytest

from soil_pyg import cli, recommend


def test_formats(run_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    expected = recommend(run_folder, users=[20, 0], k=3)
    command = ["recommend", str(run_folder), "--users", "20,0", "--k", "3"]
    capfd.readouterr()
    assert cli.main([*command, "--format", "csv"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    found = pd.read_csv(io.StringIO(out), dtype={"score": "float32"})
    pd.testing.assert_frame_equal(found, expected)
    assert cli.main([*command, "--format", "json"]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [row["item"] for row in rows] == expected["item"].tolist()
    assert cli.main(command) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [" ".join(line.split()[2:4]) for line in lines[2:]] == expected["item"].tolist()


def test_everyone_to_a_file_in_blocks(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "all.parquet"
    command = ["recommend", str(run_folder), "--users", "all", "--k", "4", "--out", str(out)]
    assert cli.main([*command, "--memory-budget", "20000"]) == 0
    pd.testing.assert_frame_equal(pd.read_parquet(out), recommend(run_folder, k=4))


def test_files_of_ids(run_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "users.txt").write_text("20\n0\n")
    (tmp_path / "items.csv").write_text("item\nitem 2\nitem 5\n")
    files = [
        "--users-file",
        str(tmp_path / "users.txt"),
        "--deny-file",
        str(tmp_path / "items.csv"),
    ]
    capfd.readouterr()
    assert cli.main(["recommend", str(run_folder), *files, "--format", "csv"]) == 0
    found = pd.read_csv(io.StringIO(capfd.readouterr().out))
    expected = recommend(run_folder, users=[20, 0], deny=["item 2", "item 5"])
    assert found["item"].tolist() == expected["item"].tolist()


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (["--allow", "item 2,item 5"], {"allow": ["item 2", "item 5"]}),
        (["--exclude-seen", "false"], {"exclude_seen": False}),
        (["--exclude-seen", "all"], {"exclude_seen": "all"}),
        (["--index"], {"index": True}),
    ],
)
def test_flags(
    run_folder: Path, capfd: pytest.CaptureFixture[str], flags: list[str], options: dict
) -> None:
    capfd.readouterr()
    assert cli.main(["recommend", str(run_folder), "--users", "0", "--format", "csv", *flags]) == 0
    found = pd.read_csv(io.StringIO(capfd.readouterr().out))
    assert found["item"].tolist() == recommend(run_folder, users=[0], **options)["item"].tolist()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "'--users' must be given: ids between commas, or '--users-file'"),
        (["--users", "0,11"], "'users': the run has no user '11' (its users are such as '0', "),
        (["--users", "0", "--allow", "item 1,tea"], "'allow': the run has no item 'tea'"),
        (["--users", "0", "--deny-file", "no.txt"], "'deny': there is no file 'no.txt'"),
        (["--users", "0", "--users-file", "a"], "Either '--users' or '--users-file' must be given"),
        (["--users", "0", "--k", "0"], "'k' must be at least 1 (got 0)"),
        (["--users", "0", "--k", "many"], "--k: expected int"),
        (["--users", "0", "--exclude-seen", "maybe"], "--exclude-seen: "),
        (["--users", "0", "--data", "no"], "The data folder 'no' does not exist"),
        (["--users", "0", "--out", "a.xls"], "'--out' must end in .txt, .csv"),
        (["--users", "0", "--out", "no/a.csv"], "'--out': there is no folder 'no'"),
        (["--users", "0", "--frmat", "csv"], "unrecognized arguments: --frmat csv"),
    ],
)
def test_wrong_input(
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    capfd.readouterr()
    assert cli.main(["recommend", str(run_folder), *flags]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


def test_wrong_runs(run_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def message(folder: Path) -> str:
        capfd.readouterr()
        assert cli.main(["recommend", str(folder), "--users", "0"]) == 2
        out, err = capfd.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        return err

    assert "nowhere' does not exist" in message(tmp_path / "nowhere")
    assert "has no run.json: it is not the folder of a run" in message(tmp_path)
    run = json.loads((run_folder / "run.json").read_text())
    (run_folder / "run.json").write_text(json.dumps({**run, "format": 9}))
    assert "run.json' must have format 1 (got 9): train again" in message(run_folder)
    other = {**run, "data": {"name": "random", "digest": "other"}}
    (run_folder / "run.json").write_text(json.dumps(other))
    assert "is not the data that the run was trained on" in message(run_folder)
    (run_folder / "embeddings.safetensors").write_bytes(b"damaged")
    assert "embeddings.safetensors' is not the file that was written" in message(run_folder)
    (run_folder / "embeddings.safetensors").unlink()
    assert "has no embeddings.safetensors" in message(run_folder)
