"""Odd but lawful input gives the right answer."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness import PROGRAMS
from place import NUM_ITEMS, make_place
from soil_pyg import add_items, add_users, evaluate, load, prepare, recommend, similar, train

ODD = ["-1", "--k", "007", "7", "nan", "null", "True", "1.0", "1e3", "two words", " x", "\u00e9"]
ODD += ["\U0001f375", "all", "u'1", 'a"b', "[1]", "a=b", "a;b", "c:\\d", "@", "#", "%s", "{}"]
"""Ids that a shell can pass in a list."""
BY_FILE = [*ODD, "a,b", "tab\tin it", "x" * 1000]
"""Ids that a file can hold as well."""
BY_FILE_SORTED = sorted(BY_FILE)

Read = Callable[[str], pd.DataFrame]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lawful")
    make_place(folder)
    rng = np.random.default_rng(0)
    rows = [(user, item) for user in BY_FILE for item in rng.permutation(BY_FILE)[:8]]
    prepare(pd.DataFrame(rows, columns=["user", "item"]), folder / "ODD")
    options = {"epochs": 1, "progress": False, "device": "cpu"}
    train(folder / "ODD", folder / "ODD_RUN", "bpr", **options, hidden_channels=4)
    (folder / "odd.txt").write_text("\n".join(BY_FILE) + "\n", "utf-8")
    pd.DataFrame({"user": BY_FILE, "item": BY_FILE}).to_parquet(folder / "odd.parquet")
    pd.DataFrame({"user": BY_FILE, "item": BY_FILE}).to_csv(folder / "odd.csv", index=False)
    return folder


@pytest.fixture
def read(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Read:
    """Runs a command that must succeed and returns the table that it prints as CSV."""
    monkeypatch.chdir(folder)

    def run(*words: str) -> pd.DataFrame:
        capfd.readouterr()
        code = PROGRAMS["soil-pyg"]([*words, "--format", "csv"])
        out, err = capfd.readouterr()
        assert code == 0, err
        assert words[0] == "explain" or err == ""
        return pd.read_csv(io.StringIO(out), dtype=str, keep_default_na=False)

    return run


@pytest.mark.parametrize("value", ODD[1:])
def test_odd_ids_on_the_command_line(value: str, read: Read) -> None:
    frame = read("recommend", "ODD_RUN", f"--users={value}", "--k", "3")
    is_everyone = value == "all"
    assert frame["user"].unique().tolist() == (BY_FILE_SORTED if is_everyone else [value])
    expected = recommend("ODD_RUN", BY_FILE_SORTED if is_everyone else [value], k=3)
    assert frame["item"].tolist() == expected["item"].tolist()
    frame = read("explain", "ODD_RUN", f"--user={value}", f"--item={value}", "--by", "part")
    assert len(frame) > 0
    frame = read("similar", "ODD_RUN", f"--items={value}", "--k", "2")
    assert frame["item"].unique().tolist() == (BY_FILE_SORTED if is_everyone else [value])


def test_many_odd_ids_at_once(read: Read) -> None:
    frame = read("recommend", "ODD_RUN", f"--users={','.join(ODD)}", "--k", "1")
    assert frame["user"].tolist() == ODD
    deny = read("recommend", "ODD_RUN", "--users=-1", "--exclude-seen=none", "--k=100")
    assert set(deny["item"]) == set(BY_FILE)
    kept = read(
        "recommend", "ODD_RUN", "--users=-1", "--exclude_seen=none", "--k=100", "--deny=-1,7"
    )
    assert set(kept["item"]) == set(BY_FILE) - {"-1", "7"}


@pytest.mark.parametrize("file", ["odd.txt", "odd.parquet", "odd.csv"])
def test_odd_ids_in_files(file: str, read: Read) -> None:
    frame = read("recommend", "ODD_RUN", "--users-file", file, "--allow-file", file, "--k", "1")
    assert frame["user"].tolist() == BY_FILE
    assert read("similar", "ODD_RUN", "--items-file", file, "--k=1")["item"].tolist() == BY_FILE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "recommend RUN --users u1 --exclude-seen all",
            "recommend RUN --users=u1 --exclude_seen=all",
        ),
        (
            "similar RUN --items v1 --memory-budget 9999",
            "similar RUN --items v1 --memory_budget 64",
        ),
        ("recommend RUN --users u1 --k 1000", f"recommend RUN --users u1 --k {2**40}"),
        ("evaluate RUN --split test", "evaluate RUN --split=test --data DATA"),
        ("evaluate RUN --ks 5 10", "evaluate RUN --ks 10 5"),
        ("recommend RUN --users-file users.txt", "recommend RUN --users u0,u1"),
        ("recommend RUN --users u1 --deny v1 --k 5", "recommend RUN --users u1 --k 5 --deny v1,v1"),
        ("recommend RUN/ --users u1", "recommend ./RUN --users u1 --out -"),
        ("recommend RUN --users u1 --new-users new_users.csv", "recommend RUN --users u1"),
    ],
)
def test_two_ways_to_say_the_same(one: str, other: str, read: Read) -> None:
    first, second = (read(*line.split()) for line in (one, other))
    assert len(first) > 0
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize(
    ("flags", "lengths"),
    [
        ("--ks 5 10", "5 10"),
        ("--ks 5,10", "5 10"),
        ("--ks [5,10]", "5 10"),
        ("--ks=10,5", "5 10"),
        ("--ks 20", "20"),
        ("--model BPR --hidden-channels 4", "5 10 20 50"),
        ("--hidden_channels 4 --batch_size=9", "5 10 20 50"),
        ("--model soil --modalities visual text --k 3 --k-i 3", "5 10 20 50"),
        ("--model VBPR --modalities text", "5 10 20 50"),
    ],
)
def test_flags_of_train(
    flags: str,
    lengths: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    words = ["train", "DATA", "--out", str(tmp_path / "NEW"), "--epochs", "1", "--device", "cpu"]
    words += [] if "--model" in flags else ["--model", "bpr"]
    words += [] if "--ks" in flags else ["--metric", "recall@5"]
    words += ["--metric", f"recall@{lengths.split()[-1]}"] if "--ks" in flags else []
    assert PROGRAMS["soil-pyg"]([*words, *flags.split()]) == 0
    run = load(tmp_path / "NEW")
    names = {name.partition("@")[2] for name in run.metrics["test"]}
    assert names == set(lengths.split())
    assert run.settings["model"] == str(run.settings["model"]).lower()


def test_functions_take_folders_and_arrays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    few = pd.DataFrame({"user": ["zoe", "zoe"], "item": ["v1", "v2"]})
    assert add_users("RUN", None, few).user_id[-1] == "zoe"
    features = {"visual": np.ones((1, 6)), "text": np.ones((1, 5))}
    assert add_items(Path("RUN"), "DATA", features, ["n0"]).item_id[-1] == "n0"
    assert list(evaluate("RUN", "test", [5])) == ["metric", "test"]
    assert len(recommend("RUN", np.array(["u1"]), k=np.int64(3))) == 3
    assert len(recommend("RUN", {"u1": 0}, deny=[], exclude_seen="none", k=10**9)) == NUM_ITEMS
    assert len(similar("RUN", items=pd.Series(["v1"]), k=2)) == 2
