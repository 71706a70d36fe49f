"""Small runs, and a page in a real browser, driven over a pipe by Chromium's own protocol."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from torch_geometric.data import HeteroData

from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.datasets.data_folder import load_data_folder
from soil_pyg.workflow.prepare import prepare
from soil_pyg.workflow.train import train

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60


TITLE = "<script>alert('1')</script> & <b>milk</b>"


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with titles and pictures, some of them missing, damaged or elsewhere."""
    folder = tmp_path_factory.mktemp("shop")
    data = SyntheticMultimodal(num_users=60, num_items=40, missing=0.1)[0]
    pictures: list[str | None] = []
    for item in range(40):
        colours = np.full((90, 60, 3), 6 * item, dtype=np.uint8)
        pictures.append(str(folder / f"{item}.png"))
        Image.fromarray(colours).save(folder / f"{item}.png")
    (folder / "0.png").write_bytes(b"no picture")
    pictures[1:3] = "https://example.org/1.png", None
    titles: list[str | None] = [f"{TITLE} {item}" for item in range(40)]
    titles[5] = None
    items = pd.DataFrame({"item": data["item"].id, "title": titles, "image": pictures})
    prepare(data, folder / "data", items=items, name="<i>shop")
    return folder / "data"


@pytest.fixture(scope="session")
def shop_data(shop: Path) -> HeteroData:
    return load_data_folder(shop)


@pytest.fixture(scope="session")
def runs(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: two seeds of SOIL, another setting of it, and popularity."""
    folder = tmp_path_factory.mktemp("runs")
    given: dict[str, Any] = {"epochs": 2, "progress": False, "device": "cpu"}
    small = {**given, "hidden_channels": 8, "lr": 0.01}
    for seed in (0, 1):
        train(shop, folder / f"soil {seed}", "soil", seed=seed, **small)
    train(shop, folder / "k", "soil", k=4, **small)
    train(shop, folder / "popularity", "popularity", **given)
    return folder


@pytest.fixture
def content(runs: Path) -> dict[str, Any]:
    """The run.json of a run."""
    return json.loads((runs / "soil 0" / "run.json").read_text("utf-8"))


class Page:
    """A page that has been drawn, with what the browser said on the way."""

    def __init__(self, path: Path, width: int, scheme: str, folder: Path) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._next_id = 0
        self._buffer = b""
        arguments = [
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
            *("--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage"),
            *("--hide-scrollbars", f"--user-data-dir={folder}", "about:blank"),
        ]
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        # The browser reads from the file descriptor 3 and writes to 4.
        shell = f'exec nice -n 19 "$@" 3<&{to_browser} 4>&{from_browser}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", browser(), *arguments],
            pass_fds=(to_browser, from_browser),
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._session = ""
        target = self._call("Target.getTargets")["targetInfos"]
        page = next(info["targetId"] for info in target if info["type"] == "page")
        self._session = self._call("Target.attachToTarget", targetId=page, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        self._call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", features=media)
        self._call("Page.navigate", url=path.as_uri())
        self.wait("Boolean(document.documentElement?.dataset.charts)")

    def evaluate(self, expression: str) -> Any:
        """Returns the value of an expression in JavaScript."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, expression: str) -> None:
        """Waits until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.05)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Presses a key, as a person does."""
        for kind in ("keyDown", "keyUp"):
            self._call(
                "Input.dispatchKeyEvent",
                **{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code},
                **({"text": text} if text and kind == "keyDown" else {}),
            )

    def screenshot(self, path: Path, clip: dict[str, float] | None = None) -> None:
        """Saves a picture of the whole page, or of a part of it."""
        options: dict[str, Any] = {"captureBeyondViewport": True}
        if clip is None:
            size = self._call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"]}
        picture = self._call("Page.captureScreenshot", clip={**clip, "scale": 1}, **options)
        path.write_bytes(base64.b64decode(picture["data"]))

    def close(self) -> None:
        """Ends the browser."""
        os.close(self._write)
        os.close(self._read)
        self._process.terminate()
        self._process.wait(PATIENCE)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._next_id += 1
        message: dict[str, Any] = {"id": self._next_id, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._receive()
            if reply.get("id") == self._next_id:
                assert "error" not in reply, reply
                return reply["result"]
            self._note(reply)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            read = os.read(self._read, 2**16)
            assert read, "the browser has ended"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        kind, parameters = event.get("method"), event.get("params", {})
        if kind == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        if kind == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(parameters["exceptionDetails"]))
        if kind == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.errors.append(json.dumps(parameters["args"]))
        if kind == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.errors.append(json.dumps(parameters["entry"]))


def browser() -> str:
    """Returns the path of Chromium, or skips the test."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    return found


@pytest.fixture
def open_page(tmp_path: Path) -> Iterator[Callable[..., Page]]:
    pages: list[Page] = []

    def open_(path: Path, width: int = 1280, scheme: str = "light") -> Page:
        browser()
        pages.append(Page(path, width, scheme, tmp_path / f"browser {len(pages)}"))
        return pages[-1]

    yield open_
    for page in pages:
        page.close()
