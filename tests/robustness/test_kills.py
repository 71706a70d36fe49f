"""Commands that are killed at any moment can be repeated, to the same bytes and without debris."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kills import SIGNALS, Harness, Kill, Scenario

MODEL = """
from soil_pyg.models import LightGCN


class Logged(LightGCN):
    def on_epoch_start(self, data):
        super().on_epoch_start(data)
        with open("epochs.log", "a") as file:
            file.write("begun\\n")
"""
LOGGED = "--model kill_model:Logged --hidden_channels 8 --seed 1 --device cpu"
EPOCHS = "--epochs 25 --patience 25"
SOIL = "--k 3 --k_i 3 --hidden_channels 8"
RUNS = "--dataset tiny --root root --device cpu --epochs 3 --out RES"
FEATURES = "--items items.csv --features visual=visual.npy"
SCENARIOS = [
    Scenario("prepare", f"soil-pyg prepare p.csv --out NEW {FEATURES} --embed text=title:tfidf"),
    Scenario("prepare --overwrite", f"soil-pyg prepare p.csv --out OLD --overwrite {FEATURES}"),
    Scenario("train", f"soil-pyg train DATA --out NEW {LOGGED} {EPOCHS}", trains=True),
    Scenario(
        "train in parts",
        f"soil-pyg train DATA --out NEW --num_partitions 2 {LOGGED} {EPOCHS}",
        trains=True,
    ),
    Scenario(
        "train --init",
        f"soil-pyg train DATA --out NEW --init LOGGED {LOGGED} {EPOCHS}",
        trains=True,
    ),
    Scenario("train soil", f"soil-pyg train DATA --out NEW {SOIL} {EPOCHS}"),
    Scenario("recommend", "soil-pyg recommend RUN --users all --out r.parquet"),
    Scenario("recommend again", "soil-pyg recommend RUN --users all --k 5 --out r.csv"),
    Scenario("report", "soil-pyg report RUN --out r.html"),
    Scenario("export", "soil-pyg export DATA --to mmrec --out EXPORT"),
    Scenario("export a run", "soil-pyg export RUN --to parquet --out EXPORT"),
    Scenario("tune", f"run.py tune --models bpr --trials 3 --seeds 1 {RUNS}", workers=True),
    Scenario(
        "run.py", f"run.py --models popularity,bpr --seeds 1 --workers 2 {RUNS}", workers=True
    ),
]
QUICK = [scenario.name for scenario in SCENARIOS if not scenario.workers]


def make_pristine(folder: Path) -> None:
    """Writes the folder that each command starts from."""
    rng = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"v{item}")
        for user in range(60)
        for item in rng.permutation(40)[: rng.integers(8, 15)]
    ]
    pd.DataFrame(rows, columns=["user", "item"]).to_csv(folder / "p.csv", index=False)
    ids = [f"v{item}" for item in range(40)]
    titles = [f"Title {number} word{number % 7}" for number in range(40)]
    pd.DataFrame({"item": ids, "title": titles}).to_csv(folder / "items.csv", index=False)
    np.save(folder / "visual.npy", rng.standard_normal((40, 16)).astype("f4"))
    (folder / "r.csv").write_text("old\n")
    tiny = folder / "root" / "tiny"
    tiny.mkdir(parents=True)
    lines = ["userID\titemID\tx_label"]
    for user in range(30):
        for item, label in zip(rng.permutation(20)[:8], [0] * 6 + [1, 2], strict=True):
            lines.append(f"{user}\t{item}\t{label}")
    (tiny / "tiny.inter").write_text("\n".join(lines) + "\n")
    (folder / "kill_model.py").write_text(MODEL)


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    folder = tmp_path_factory.mktemp("kills")
    pristine = folder / "pristine"
    pristine.mkdir()
    make_pristine(pristine)
    found = Harness(pristine, folder, SCENARIOS)
    for argv in (
        f"prepare p.csv --out DATA {FEATURES}",
        "prepare p.csv --out OLD",
        f"train DATA --out RUN {SOIL} --epochs 2",
        f"train DATA --out LOGGED {LOGGED} --epochs 2",
    ):
        ended = found.commands.run(f"soil-pyg {argv}", pristine)
        assert ended.code == 0, ended
    (pristine / "epochs.log").unlink()
    yield found
    found.commands.close()


def draw(number: int, names: list[str], fresh: bool, seed: int) -> list[Kill]:
    """Returns kills at random moments, of each scenario and by each signal in turn."""
    rng = random.Random(seed)
    signals = list(SIGNALS)
    kills = []
    for index in range(number):
        name = names[index % len(names)]
        sent = signals[index // len(names) % len(signals)]
        share = rng.uniform(0, 1.05)
        kills.append(Kill(name, sent, share, sent != "SIGKILL" and rng.random() < 0.5, fresh))
    return kills


ALL = [scenario.name for scenario in SCENARIOS]
WORKERS = [scenario.name for scenario in SCENARIOS if scenario.workers]
SAMPLE = [
    Kill("train", "SIGTERM", 0.6, True, False),
    Kill("train in parts", "SIGKILL", 0.7, False, False),
    Kill("prepare", "SIGKILL", 0.8, False, False),
    Kill("prepare --overwrite", "SIGTERM", 0.8, True, False),
    Kill("recommend again", "SIGINT", 0.9, False, False),
    Kill("train", "SIGTERM", 0.2, True, True),
]
SLOW = [
    *draw(231, QUICK, False, 0),
    *draw(33, QUICK, True, 1),
    *draw(36, WORKERS, False, 2),
]


@pytest.mark.parametrize("kill", SAMPLE, ids=str)
def test_sample(harness: Harness, kill: Kill) -> None:
    if problems := harness.problems(kill):
        pytest.fail(f"{kill}: {'; '.join(problems)}", pytrace=False)


@pytest.mark.slow
@pytest.mark.parametrize("kill", SLOW, ids=str)
def test_kills(harness: Harness, kill: Kill) -> None:
    if problems := harness.problems(kill):
        pytest.fail(f"{kill}: {'; '.join(problems)}", pytrace=False)


def test_every_scenario_is_killed_by_every_signal() -> None:
    counts = Counter((kill.scenario, kill.sent) for kill in SLOW)
    assert set(counts) == {(name, sent) for name in ALL for sent in SIGNALS}
    assert len(SLOW) == 300
