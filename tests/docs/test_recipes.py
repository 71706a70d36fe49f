"""The recipes, run as they stand."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from soil_pyg import load, prepare, recommend, similar, train

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
SERVER = "SOIL_PG"
"""The environment variable with a database that has pgvector, for its test."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables, their data and a validated run."""
    folder = tmp_path_factory.mktemp("shop")
    pairs = [(f"u{user}", f"v{user * n % 40}") for user in range(60) for n in range(1, 9)]
    purchases = pd.DataFrame(pairs, columns=["user", "item"]).drop_duplicates()
    purchases.to_csv(folder / "purchases.csv", index=False)
    ids = sorted(set(purchases["item"]))
    items = pd.DataFrame({"item": ids, "title": [f"thing {item}" for item in ids]})
    items.to_csv(folder / "items.csv", index=False)
    prepare(folder / "purchases.csv", folder / "DATA", items=folder / "items.csv")
    options = {"epochs": 2, "hidden_channels": 4, "progress": False, "device": "cpu"}
    train(folder / "DATA", folder / "VALIDATED", "lightgcn", **options)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mv -T is GNU's")
def test_nightly(shop: Path) -> None:
    program = shop / "bin" / "soil-pyg"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m soil_pyg.cli "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, sys.path))
    command = ["sh", str(RECIPES / "nightly.sh"), "VALIDATED", "purchases.csv", "items.csv"]
    subprocess.run(command, cwd=shop, env=environment, check=True, capture_output=True)
    nights, today = shop / "nights", date.today().isoformat()
    assert os.readlink(nights / "current") == f"run-{today}"
    top = pd.read_parquet(nights / f"top-{today}.parquet")
    expected = recommend(nights / "current", k=20)
    assert top["item"].tolist() == expected["item"].tolist()
    assert "title" in top


def test_nightly_leaves_the_old_run_if_a_step_fails(shop: Path) -> None:
    lines = (RECIPES / "nightly.sh").read_text("utf-8").splitlines()
    assert "set -eu" in lines
    steps = [line.split()[0] for line in lines if re.match(r"soil-pyg|ln|mv", line)]
    assert steps == ["soil-pyg", "soil-pyg", "soil-pyg", "ln", "mv"]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with pgvector: the one that is named, or that of the package pgserver."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if SERVER in os.environ:
        yield os.environ[SERVER]
        return
    if importlib.util.find_spec("pgserver") is None:
        pytest.skip(f"no database with pgvector: set {SERVER} or install pgserver")
    import pgserver

    # A socket may have a path of a hundred characters.
    folder = Path("/tmp") / f"soil_pg_{os.getpid()}"
    server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def test_pgvector(shop: Path, database: str) -> None:
    import psycopg

    name = RECIPES / "pgvector.py"
    spec = importlib.util.spec_from_file_location("recipe_pgvector", name)
    assert spec is not None
    assert spec.loader is not None
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    recipe.main(str(shop / "VALIDATED"), database)
    recipe.main(str(shop / "VALIDATED"), database)

    def ask(query: str, **values: Any) -> pd.DataFrame:
        with psycopg.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute((RECIPES / query).read_text("utf-8"), values)
            return pd.DataFrame(cursor.fetchall(), columns=["item", "score"])

    in_stock = [f"v{number}" for number in range(5, 35)]
    known = set(load(shop / "VALIDATED").item_id.tolist())
    allowed = [item for item in in_stock if item in known]
    found = ask("best_items.sql", user="u3", in_stock=in_stock)
    expected = recommend(shop / "VALIDATED", ["u3"], k=10, exclude_seen="none", allow=allowed)
    check(found, expected)
    found = ask("similar_items.sql", item="v8")
    expected = similar(shop / "VALIDATED", items=["v8"], k=10)
    check(found, expected.drop(columns="item").rename(columns={"similar": "item"}))


def check(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Compares two rankings: the database computes in another order, so near ties may swap."""
    scores = torch.tensor(found["score"].tolist())
    assert torch.allclose(scores, torch.tensor(expected["score"].tolist()), atol=1e-5)
    differ = found["item"].to_numpy() != expected["item"].to_numpy()
    gaps = expected["score"].diff().abs().fillna(1).to_numpy()
    assert all(
        gaps[n] < 1e-5 or gaps[min(n + 1, len(gaps) - 1)] < 1e-5 for n in differ.nonzero()[0]
    )
