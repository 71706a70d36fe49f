from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from soil_pyg import prepare, train
from soil_pyg.serving.app import create_app
from soil_pyg.serving.requests import Limits
from soil_pyg.serving.run_link import RunLink
from soil_pyg.serving.served_run import ServedRun

pytest.importorskip("fastapi_offline", reason="the extra 'serve' is not installed")
LIMITS = Limits(k=50, ids=20, body=2000)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data of named users and titled items, and a run on it."""
    folder = tmp_path_factory.mktemp("shop")
    pairs = [(f"u{user}", f"v{(user * step) % 23}") for user in range(30) for step in range(1, 9)]
    pd.DataFrame(pairs, columns=["user", "item"]).drop_duplicates().to_csv(
        folder / "purchases.csv", index=False
    )
    titles = pd.DataFrame(
        {"item": [f"v{n}" for n in range(22)], "title": [f"té {n}" for n in range(22)]}
    )
    titles.to_csv(folder / "items.csv", index=False)
    prepare(folder / "purchases.csv", folder / "data", items=folder / "items.csv")
    train(
        folder / "data", folder / "run", "lightgcn",
        epochs=2, hidden_channels=8, progress=False, device="cpu",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def link(shop: Path) -> RunLink:
    """The run of the shop."""
    return RunLink(shop / "run", ServedRun)


@pytest.fixture
def client_of() -> Callable[..., object]:
    """Makes clients of a server within this process."""
    from fastapi.testclient import TestClient

    def make(link: RunLink) -> TestClient:
        return TestClient(create_app(link, LIMITS), raise_server_exceptions=False)

    return make


@pytest.fixture
def client(link: RunLink, client_of: Callable[..., object]) -> object:
    return client_of(link)
