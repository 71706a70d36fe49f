"""The client against a server of a few lines."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from soil_bench.speed import serve_client
from soil_bench.speed.serve_client import count_malformed, load_for, load_with_changes


class Toy:
    """Answers each request by its path: /recommend with 200, /users by a closed connection, all
    others with 500.
    """

    def __init__(self) -> None:
        self.body = b"old"
        self.requests = 0
        started = threading.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while head := await reader.readline():
                path = head.split(b" ")[1] if head.count(b" ") > 1 else b""
                while (await reader.readline()).strip():
                    pass
                self.requests += 1
                if path.startswith(b"/users"):
                    break
                status = b"200 OK" if path.startswith(b"/recommend") else b"500 Failed"
                size = b"Content-Length: %d" % len(self.body)
                body = b"" if head.startswith(b"HEAD") else self.body
                writer.write(b"HTTP/1.1 " + status + b"\r\n" + size + b"\r\n\r\n" + body)
            writer.close()

        async def main() -> None:
            self.stop = asyncio.Event()
            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self.loop = asyncio.get_running_loop()
            started.set()
            await self.stop.wait()
            server.close()

        self._thread = threading.Thread(target=asyncio.run, args=(main(),))
        self._thread.start()
        started.wait()

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self._thread.join()


@pytest.fixture
def toy() -> Iterator[Toy]:
    found = Toy()
    yield found
    found.end()


def test_load(toy: Toy) -> None:
    found = load_for(toy.port, ["u1", "u 2"], 10, connections=3, seconds=0.3)
    assert found["requests"] == toy.requests > 3
    assert found["failures"] == 0
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["answers_to_one_user"] == 1


def test_changes_and_failures_are_counted(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve_client, "CHANGE_SECONDS", 0.2)
    changed = []

    def change(number: int) -> None:
        changed.append(number)
        toy.body = b"new"

    found = load_with_changes(toy.port, ["u1"], 10, 2, 2, change)
    assert changed == [0, 1]
    assert found["answers_to_one_user"] == 2
    assert found["failures"] == 0
    toy.end()
    lost = load_for(toy.port, ["u1"], 10, connections=1, seconds=0.05)
    assert lost["failures"] == lost["requests"] > 0
    toy.__init__()  # type: ignore[misc]


def test_malformed_requests_are_counted_by_their_answers(toy: Toy) -> None:
    found = count_malformed(toy.port, ["u1"], 200, connections=2)
    assert found["requests"] == sum(found["by_status"].values()) == 200
    assert found["failed"] == found["by_status"]["500"] > 0
    assert found["by_status"]["0"] > 0
