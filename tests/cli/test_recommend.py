import io
import json
import re
from collections.abc import Callable
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
    rows = json.loads(capfd.readouterr().out)
    assert [row["item"] for row in rows] == expected["item"].tolist()
    assert cli.main(command) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [" ".join(line.split()[2:4]) for line in lines[2:]] == expected["item"].tolist()


def test_everyone_to_a_file_in_blocks(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "all.parquet"
    command = ["recommend", str(run_folder), "--users", "all", "--k", "4", "--out", str(out)]
    assert cli.main([*command, "--memory-budget", "20000"]) == 0
    pd.testing.assert_frame_equal(pd.read_parquet(out), recommend(run_folder, k=4))


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_folder_of_blocks(run_folder: Path, tmp_path: Path, engine: str) -> None:
    if engine == "ray":
        pytest.importorskip("ray", reason="Ray is not installed (the extra 'ray')")
    out = tmp_path / "top"
    command = ["recommend", str(run_folder), "--users", "all", "--k", "4", "--out", f"{out}/"]
    command += ["--memory-budget", "20000"]
    assert cli.main(command) == 0
    parts = sorted(out.glob("*.parquet"))
    assert len(parts) > 2
    expected = recommend(run_folder, k=4)
    pd.testing.assert_frame_equal(
        pd.concat(map(pd.read_parquet, parts), ignore_index=True), expected
    )
    kept = parts[0].stat().st_mtime_ns
    content = parts[1].read_bytes()
    parts[1].unlink()
    assert cli.main([*command, "--engine", engine]) == 0
    assert sorted(out.glob("*.parquet")) == parts
    assert parts[0].stat().st_mtime_ns == kept
    assert parts[1].read_bytes() == content


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--k", "3"], "'--out' must be a new folder or one of the same table"),
        (["--format", "csv"], "'--format' must be parquet"),
        (["--engine", "ray", "--index"], "'--engine'|'engine' must be 'local'"),
    ],
)
def test_wrong_folders(
    run_folder: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
) -> None:
    command = ["recommend", str(run_folder), "--users", "all", "--out", f"{tmp_path}/top/"]
    assert cli.main(command) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "top").iterdir()}
    assert cli.main([*command, *flags]) == 2
    assert re.search(message, capfd.readouterr().err)
    assert {path: path.read_bytes() for path in (tmp_path / "top").iterdir()} == before


def test_a_folder_of_other_files(
    run_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "folder" / "mine.txt"
    mine.parent.mkdir()
    mine.touch()
    command = ["recommend", str(run_folder), "--users", "all", "--out", f"{mine.parent}/"]
    assert cli.main(command) == 2
    assert "'--out' must be a new folder" in capfd.readouterr().err
    assert list(mine.parent.iterdir()) == [mine]


def test_files_of_ids(run_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "users.txt").write_text("20\n0\n")
    (tmp_path / "items.csv").write_text("item\nitem 2\nitem 5\n")
    files = ["--users-file", f"{tmp_path}/users.txt", "--deny-file", f"{tmp_path}/items.csv"]
    capfd.readouterr()
    assert cli.main(["recommend", str(run_folder), *files, "--format", "csv"]) == 0
    found = pd.read_csv(io.StringIO(capfd.readouterr().out))
    expected = recommend(run_folder, users=[20, 0], deny=["item 2", "item 5"])
    assert found["item"].tolist() == expected["item"].tolist()


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (["--allow", "item 2,item 5"], {"allow": ["item 2", "item 5"]}),
        (["--exclude-seen", "none"], {"exclude_seen": "none"}),
        (["--exclude-seen", "train"], {"exclude_seen": "train"}),
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
        ([], "'--users'.*'--users-file'"),
        (["--users", "0,11"], "'--users'.*'11'.*'0'"),
        (["--users", "0", "--allow", "item 1,tea"], "'--allow'.*'tea'"),
        (["--users", "0", "--deny-file", "no.txt"], "'--deny'.*'no.txt'"),
        (["--users", "0", "--users-file", "a"], "'--users'.*'--users-file'"),
        (["--users", "0", "--k", "0"], "'--k'.*got 0"),
        (["--users", "0", "--k", "many"], "--k: .*many"),
        (["--users", "0", "--exclude-seen", "maybe"], "--exclude-seen: .*maybe"),
        (["--users", "0", "--data", "no"], "'no'"),
        (["--users", "0", "--out", "a.xls"], "'--out'.*'a.xls'"),
        (["--users", "0", "--out", "no/a.csv"], "'--out'.*'no/a.csv'"),
        (["--users", "0", "--frmat", "csv"], "--frmat csv"),
    ],
)
def test_wrong_input(
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[..., str],
    flags: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert re.search(message, refused("recommend", run_folder, *flags))
    assert sorted(tmp_path.rglob("*")) == before


def test_wrong_runs(
    run_folder: Path,
    tmp_path: Path,
    refused: Callable[..., str],
    edit_run: Callable[..., None],
) -> None:
    def message(folder: Path) -> str:
        return refused("recommend", folder, "--users", "0")

    assert "nowhere'" in message(tmp_path / "nowhere")
    assert "run.json" in message(tmp_path)
    run = json.loads((run_folder / "run.json").read_text())
    (run_folder / "run.json").write_text(json.dumps({**run, "format": 9}))
    assert re.search(r"run\.json'.*got 9", message(run_folder))
    (run_folder / "run.json").write_text(json.dumps(run))
    edit_run(run_folder, data={"name": "random", "digest": "other"})
    assert "digest" in message(run_folder)
    (run_folder / "embeddings.safetensors").write_bytes(b"damaged")
    assert "embeddings.safetensors'" in message(run_folder)
    (run_folder / "embeddings.safetensors").unlink()
    assert "embeddings.safetensors" in message(run_folder)
