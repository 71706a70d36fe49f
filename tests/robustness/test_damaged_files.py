"""A damaged file is refused in one line that names it and a command that mends it, or it does not
change the answer.
"""

import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from damage import Damage, damages
from soil_pyg import cli, prepare, train
from soil_pyg.encoders import TfidfEncoder
from soil_pyg.models import BPR
from soil_pyg.ranking.item_index import DESCRIPTION, INDEX
from soil_pyg.utils.files import file_digest

TRAIN = "soil-pyg train DATA --model bpr --epochs 2 --hidden-channels 4"
PREPARE = (
    "soil-pyg prepare p.csv --items items.csv --features visual=visual.npy "
    "--embed text=title:tfidf --out DATA"
)
ENCODE = "soil-pyg encode items.csv --like DATA --embed text=title:tfidf --out encoded"
OF_RUN = [
    "soil-pyg evaluate RUN --format json",
    "soil-pyg recommend RUN --users u0,u1 --format json",
    "soil-pyg recommend RUN --users u0 --new-users new.csv --format json",
    "soil-pyg similar RUN --items v0 --format json",
    "soil-pyg explain RUN --user u0 --item v1 --format json",
    "soil-pyg compare RUN --format json",
    "soil-pyg report RUN --out page.html",
    "soil-pyg export RUN --to npy --out emb",
    f"{TRAIN} --out RUN --format json",
]
OF_DATA = [
    "soil-pyg evaluate RUN --format json",
    "soil-pyg recommend RUN --users u0 --data DATA --format json",
    "soil-pyg explain RUN --user u0 --item v1 --format json",
    "soil-pyg report RUN --out page.html",
    "soil-pyg export DATA --to mmrec --out mmrec",
    f"{TRAIN} --out NEW --format json",
]
OF_INDEX = ["soil-pyg recommend RUN --users u0,u1 --index --format json"]
OF_STATE = [f"{TRAIN} --out HALF --format json"]
COMMANDS = {
    "DATA/prepare.json": OF_DATA,
    "DATA/data.safetensors": OF_DATA,
    "DATA/items.parquet": ["soil-pyg report RUN --out page.html"],
    "DATA/encoders.safetensors": [ENCODE],
    "RUN/run.json": OF_RUN,
    "RUN/ids.safetensors": OF_RUN,
    "RUN/model.safetensors": OF_RUN,
    "RUN/embeddings.safetensors": OF_RUN,
    "RUN/items.json": OF_INDEX,
    "RUN/items.index": OF_INDEX,
    "HALF/state.safetensors": OF_STATE,
    "HALF/run.json": OF_STATE,
}
"""The commands that read each file."""
REPLACED_BY = {
    **{f"DATA/{name}": f"OTHER/{name}" for name in ("prepare.json", "data.safetensors")},
    "DATA/items.parquet": "items.parquet",
    "DATA/encoders.safetensors": "OTHER/encoders.safetensors",
    **{file: file.replace("RUN/", "RUN2/") for file in COMMANDS if file.startswith("RUN/")},
    "HALF/state.safetensors": "RUN/model.safetensors",
    "HALF/run.json": "RUN/run.json",
}
CASES = list(damages(REPLACED_BY, flips=20, changes=20))
SAMPLE = set(random.Random(0).sample(CASES, 60))


def make_place(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Writes the data, the finished runs and the interrupted run in the working directory."""
    rng = np.random.default_rng(0)
    pairs = [(f"u{u}", f"v{i}") for u in range(24) for i in rng.permutation(16)[:7]]
    pd.DataFrame(pairs, columns=["user", "item"]).to_csv("p.csv", index=False)
    items = pd.DataFrame(
        {"item": [f"v{i}" for i in range(16)], "title": [f"Tea {i}" for i in range(16)]}
    )
    items.to_csv("items.csv", index=False)
    items.iloc[:3].to_parquet("items.parquet")
    pd.DataFrame({"user": "new", "item": ["v0", "v1"]}).to_csv("new.csv", index=False)
    np.save("visual.npy", rng.standard_normal((16, 5)).astype("f4"))
    for out, seed in (("DATA", 0), ("OTHER", 1)):
        features = {
            "visual": "visual.npy",
            "text": TfidfEncoder("title", channels=256 - 250 * seed),
        }
        prepare("p.csv", out, features, items="items.csv", seed=seed)
    options = {"epochs": 2, "hidden_channels": 4, "progress": False}
    train("DATA", "RUN", "bpr", **options)
    train("DATA", "RUN2", "bpr", lr=0.5, **options)
    loss, calls = BPR.loss, iter(range(1))
    patch.setattr("soil_pyg.training.trainer.Trainer.checkpoint_seconds", 0)

    def interrupted(*arguments: object) -> object:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return loss(*arguments)

    patch.setattr(BPR, "loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train("DATA", "HALF", "bpr", **options)
    patch.undo()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory; a copy of it lies beside it."""
    folder = tmp_path_factory.mktemp("damaged") / "place"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch, pytest.MonkeyPatch.context() as inner:
        patch.chdir(folder)
        make_place(folder, inner)
        patch.chdir(folder.parent)
        shutil.copytree(folder, folder.with_name("pristine"))
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[str, dict[str, str]]]:
    """The right answer of each command, once it is known."""
    return {}


def run(command: str, capture: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capture.readouterr()
    code = cli.main(command.split()[1:])
    out, err = capture.readouterr()
    return code, re.sub(r'"seconds":.*?,', "", out), err


def state(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): file_digest(path) for path in paths}


def restore(place: Path) -> None:
    for path in place.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(place.with_name("pristine"), place, dirs_exist_ok=True)


def answer(
    command: str, place: Path, answers: dict[str, str], capture: pytest.CaptureFixture[str]
) -> str:
    if command not in answers:
        restore(place)
        code, out, err = run(command, capture)
        assert code == 0, err
        answers[command] = out
    return answers[command]


@pytest.mark.parametrize(
    "damage",
    [pytest.param(d, marks=[] if d in SAMPLE else pytest.mark.slow) for d in CASES],
    ids=str,
)
def test_a_damaged_file_is_refused_or_does_not_matter(
    damage: Damage, place: Path, answers: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    commands = COMMANDS[damage.file]
    if "value" in damage.kind or "bit" in damage.kind:
        commands = random.Random(str(damage)).sample(commands, 1)
    problems = []
    for command in commands:
        expected = answer(command, place, answers, capfd)
        restore(place)
        damage.make()
        before = state(place)
        code, out, err = run(command, capfd)
        if code == 0 and (out == expected or damage.is_free):
            continue
        text = f"{command}: exit code {code}, {err or out}"
        name = Path(damage.file).name
        is_named = name in err or "holds a run that differs" in err
        is_refused = code == 2 and err.count("\n") == 1 and is_named and remedy_of(damage)[0] in err
        if not is_refused or state(place) != before:
            problems.append(text)
    assert not problems


REMEDIES = {
    file: f"{PREPARE} --overwrite"
    if file.startswith("DATA")
    else f"{TRAIN} --out {file.split('/')[0]} --format json --overwrite"
    for file in COMMANDS
}


def remedy_of(damage: Damage) -> tuple[str, str]:
    """Returns the words of a remedy and its command."""
    if (damage.file, damage.kind) == ("RUN/run.json", "deleted"):
        # Looks like a training that was interrupted.
        return "repeat the call", f"{TRAIN} --out RUN --format json"
    return "--overwrite", REMEDIES[damage.file]


MENDED = [damage for damage in CASES if not re.search("bit|value", damage.kind)]
MENDED_SAMPLE = set(random.Random(1).sample(MENDED, 25))


@pytest.mark.parametrize(
    "damage",
    [pytest.param(d, marks=[] if d in MENDED_SAMPLE else pytest.mark.slow) for d in MENDED],
    ids=str,
)
def test_the_remedy_mends(
    damage: Damage, place: Path, answers: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    expected = [answer(command, place, answers, capfd) for command in COMMANDS[damage.file]]
    restore(place)
    damage.make()
    code, _, err = run(remedy_of(damage)[1], capfd)
    assert code == 0, err
    for command, right in zip(COMMANDS[damage.file], expected, strict=True):
        code, out, err = run(command, capfd)
        assert (code, out) == (0, right), err
    assert not [path for path in place.rglob(".*") if path.suffix in (".tmp", ".old")]


@pytest.mark.parametrize("file", [INDEX, DESCRIPTION])
def test_a_damaged_index_is_built_again(
    file: str, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    restore(place)
    before = state(place)
    (place / "RUN" / file).write_bytes(b"damaged")
    code, _, err = run(f"{TRAIN} --out RUN", capfd)
    assert code == 0, err
    assert state(place) == before


def test_damages_change_the_file(place: Path) -> None:
    for damage in CASES:
        if damage.file == "RUN/run.json":
            restore(place)
            before = state(place)
            damage.make()
            assert state(place) != before, damage
