"""A server with two workers in processes of their own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from soil_pyg import recommend, train
from soil_pyg.serving.server import serve

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked")
PATIENCE_SECONDS = 120


def wait_for(condition: Callable[[], Any]) -> Any:
    """Returns the first true value of a condition; machines that run tests may be slow."""
    last = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < last
        time.sleep(0.05)
    return found


def get(port: int, address: str) -> Any:
    """Returns the answer over a connection of its own."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", address)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        is_json = answer.getheader("content-type") == "application/json"
        return json.loads(content) if is_json else content.decode()
    finally:
        connection.close()


class Server:
    """A running command.

    Args:
        run (Path): The folder of the run or a link to it.
        deny_file (Path): The file of items never to recommend.
    """

    def __init__(self, run: Path, deny_file: Path) -> None:
        flags = ["--port", "0", "--workers", "2", "--poll-seconds", "0.1"]
        flags += ["--deny-file", str(deny_file)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "soil_pyg.cli", "serve", str(run), *flags],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        lines = iter(self.process.stderr.readline, "")
        line = next(line for line in lines if "serving" in line)
        self.port = int(re.findall(r":(\d+) by 2 workers", line)[0])

    def workers(self) -> list[int]:
        """Returns the process ids of the workers."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(word) for word in Path(path).read_text().split()]


@pytest.fixture(scope="module")
def place(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, a link to the first and an empty file of items."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(shop / "run", folder / "first")
    options = {"epochs": 1, "hidden_channels": 8, "progress": False, "device": "cpu"}
    train(shop / "data", folder / "second", "bpr", **options)
    (folder / "current").symlink_to("first")
    (folder / "sold_out.txt").touch()
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    found = Server(place / "current", place / "sold_out.txt")
    yield found
    found.process.send_signal(signal.SIGTERM)
    assert found.process.wait(PATIENCE_SECONDS) == 0


def put_in_place(folder: Path, name: str) -> None:
    """Exchanges the link at once, as 'ln -sfn' and 'mv -T' do."""
    (folder / "new").symlink_to(name)
    os.replace(folder / "new", folder / "current")


def items_of(answer: Any) -> list[tuple[str, float]]:
    (found,) = answer["recommendations"]
    return [(row["item"], row["score"]) for row in found["items"]]


def test_metrics_are_those_of_all_workers(server: Server) -> None:
    wait_for(lambda: "soil_pyg_workers 2.0" in get(server.port, "/metrics"))
    before = get(server.port, "/metrics")
    for _ in range(40):
        get(server.port, "/items?limit=1")
    after = get(server.port, "/metrics")
    line = 'soil_pyg_requests_total{address="/items",status="200"} %.1f'
    assert line % 40 in after
    assert line.partition(" ")[0] not in before


def test_another_run_takes_over_and_no_request_is_lost(server: Server, place: Path) -> None:
    expected = {}
    for name in ("first", "second"):
        frame = recommend(place / name, ["u4"], k=5)
        expected[name] = list(zip(frame["item"], frame["score"].astype(float), strict=True))
    found: list[list[tuple[str, float]]] = []
    failures: list[Exception] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            try:
                found.append(items_of(get(server.port, "/recommend?user=u4&k=5")))
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for name in ("second", "first", "second"):
        put_in_place(place, name)
        wait_for(lambda name=name: found[-20:] == [expected[name]] * 20)  # type: ignore[misc]
    is_over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(answer in expected.values() for answer in found)


def test_a_damaged_run_leaves_the_old_one(server: Server, place: Path) -> None:
    before = get(server.port, "/recommend?user=u4&k=5")
    shutil.copytree(place / "second", place / "damaged")
    with open(place / "damaged" / "embeddings.safetensors", "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    put_in_place(place, "damaged")
    wait_for(lambda: "soil_pyg_reload_failed 1.0" in get(server.port, "/metrics"))
    assert get(server.port, "/recommend?user=u4&k=5") == before
    put_in_place(place, "second")
    wait_for(lambda: "soil_pyg_reload_failed 0.0" in get(server.port, "/metrics"))


def test_items_that_are_sold_out_are_left_out_until_they_are_back(
    server: Server, place: Path
) -> None:
    address, file = "/recommend?user=u4&k=5", place / "sold_out.txt"
    before = get(server.port, address)
    sold_out = [item for item, _ in items_of(before)[:2]]
    expected = recommend(place / "second", ["u4"], k=5, deny=sold_out)["item"].tolist()

    def items() -> list[str]:
        return [item for item, _ in items_of(get(server.port, address))]

    try:
        file.write_text("\n".join(sold_out))
        wait_for(lambda: [items() for _ in range(20)] == [expected] * 20)
        # The process that starts the workers has read the file as well.
        time.sleep(2)
        file.unlink()
        wait_for(lambda: "soil_pyg_reload_failed 1.0" in get(server.port, "/metrics"))
        assert items() == expected
        # Workers that are started again do not begin with the list of the start.
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda gone=worker: gone not in server.workers())  # type: ignore[misc]
            wait_for(lambda: "soil_pyg_workers 2.0" in get(server.port, "/metrics"))
        assert [items() for _ in range(10)] == [expected] * 10
    finally:
        file.write_text("")
    wait_for(lambda: "soil_pyg_reload_failed 0.0" in get(server.port, "/metrics"))
    wait_for(lambda: [get(server.port, address) for _ in range(20)] == [before] * 20)


@pytest.mark.skipif(sys.platform != "linux", reason="children are read from /proc")
def test_a_worker_that_dies_is_replaced(server: Server) -> None:
    first = wait_for(lambda: len(server.workers()) == 2 and server.workers())
    os.kill(first[0], signal.SIGKILL)
    wait_for(lambda: len(server.workers()) == 2 and first[0] not in server.workers())
    wait_for(lambda: "soil_pyg_workers 2.0" in get(server.port, "/metrics"))


def test_a_port_in_use_is_refused(server: Server, shop: Path) -> None:
    for workers in (1, 2):
        with pytest.raises(ValueError, match=rf"'port' must be free .*got {server.port}"):
            serve(shop / "run", port=server.port, workers=workers)


def test_a_missing_package_is_named_with_its_extra(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def import_module(name: str) -> None:
        raise ImportError(f"no {name}", name=name)

    monkeypatch.setattr("soil_pyg.serving.server.import_module", import_module)
    with pytest.raises(ImportError, match=r"'fastapi': pip install .*\[serve\]"):
        serve(shop / "run", port=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "no-such-host.invalid"),
        ("port", 65536),
        ("workers", 0),
        ("poll_seconds", 0),
        ("root_path", "shop"),
    ],
)
def test_wrong_arguments(shop: Path, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"'{name}'.*got {value!r}|'{name}'.*got '?{value}"):
        serve(shop / "run", **{"port": 0, name: value})
