"""A client of the server that checks every answer."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import numpy as np

from soil_bench.runs.results import Record

CHANGE_SECONDS = 4.0
"""The time between two changes of the run, in which it is loaded."""

ADDRESSES = ("/recommend", "/similar", "/explain", "/items", "/users", "/health", "/docs/x", "/..")
PARAMETERS = ("user", "item", "k", "exclude_seen", "by", "start", "limit", "x", "")
WORDS = ("", "0", "-1", "1e9", "nan", "all", "\x00", "\ud800", "9" * 400, "'", '"', "%", "../..")


class Client:
    """A connection that is opened again when the server has closed it.

    Args:
        port (int): The port of the server.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Returns the status and the body of an answer, 0 if the server closed the connection.

        Raises:
            OSError: If the connection is refused or reset.
        """
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(request)
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
            fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:-2])
            size = 0 if request.startswith(b"HEAD") else int(fields.get(b"content-length", b"0"))
            body = await self._reader.readexactly(size)
        except asyncio.IncompleteReadError:
            self.close()
            return 0, b""
        if fields.get(b"connection", b"").strip() == b"close":
            self.close()
        return status, body

    def close(self) -> None:
        """Closes the connection."""
        if self._writer is not None:
            self._writer.close()
        self._writer = None


def load_for(port: int, users: list[str], k: int, connections: int, seconds: float) -> Record:
    """Loads a server for some seconds, see :func:`soil_bench.speed.serve_wrk.load_of`."""
    return asyncio.run(_load(port, users, k, connections, lambda: asyncio.sleep(seconds)))


def load_with_changes(
    port: int,
    users: list[str],
    k: int,
    connections: int,
    num_changes: int,
    change: Callable[[int], None],
) -> Record:
    """Loads a server while the run changes, see :func:`soil_bench.speed.serve_wrk.load_of`.

    Args:
        port (int): The port of the server.
        users (list[str]): The users, who are asked for in turns.
        k (int): The number of items per user.
        connections (int): The number of connections.
        num_changes (int): The number of changes.
        change (callable): Makes a change, given its number from 0.
    """

    async def changes() -> None:
        for number in range(num_changes):
            await asyncio.sleep(CHANGE_SECONDS)
            change(number)
        await asyncio.sleep(2 * CHANGE_SECONDS)

    return asyncio.run(_load(port, users, k, connections, changes))


async def _load(
    port: int, users: list[str], k: int, connections: int, wait: Callable[[], Awaitable[object]]
) -> Record:
    times: list[float] = []
    failures = 0
    bodies: set[bytes] = set()
    is_over = False

    async def ask(first: int) -> None:
        nonlocal failures
        client = Client(port)
        number = first
        while not is_over:
            user = users[number % len(users)]
            number += connections
            request = f"GET /recommend?k={k}&user={quote(user)} HTTP/1.1\r\nHost: x\r\n\r\n"
            start = time.perf_counter()
            try:
                status, body = await client.ask(request.encode())
            except OSError:
                status, body = 0, b""
                client.close()
            times.append(time.perf_counter() - start)
            failures += status != 200
            if user == users[0]:
                bodies.add(body)
        client.close()

    start = time.perf_counter()
    tasks = [asyncio.create_task(ask(number)) for number in range(connections)]
    await wait()
    is_over = True
    await asyncio.gather(*tasks)
    seconds = time.perf_counter() - start
    p50, p99 = (float(np.percentile(times, share)) * 1000 for share in (50, 99))
    return {
        "requests": len(times),
        "requests_per_second": len(times) / seconds,
        "p50_ms": p50,
        "p99_ms": p99,
        "failures": failures,
        "answers_to_one_user": len(bodies),
    }


def malformed_requests(users: list[str], number: int, seed: int = 0) -> Iterator[bytes]:
    """Yields requests with wrong parameters, bodies, methods, headers and bytes."""
    draw = random.Random(seed)
    words = (*WORDS, *users[:5])
    for _ in range(number):
        kind = draw.random()
        address = draw.choice(ADDRESSES)
        pairs = [(draw.choice(PARAMETERS), draw.choice(words)) for _ in range(draw.randrange(4))]
        query = "&".join(f"{n}={quote(w.encode('utf-8', 'surrogatepass'))}" for n, w in pairs)
        if kind < 0.5:
            method = draw.choice(("GET", "GET", "GET", "DELETE", "PUT", "HEAD"))
            yield f"{method} {address}?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        elif kind < 0.9:
            body = _body(draw, words)
            content = draw.choice(("application/json", "text/plain", "", "application/json;x"))
            head = f"POST /users?{query} HTTP/1.1\r\nHost: x\r\nContent-Type: {content}\r\n"
            yield f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        else:
            yield draw.randbytes(draw.randrange(1, 60)) + b"\r\n\r\n"


def _body(draw: random.Random, words: tuple[str, ...]) -> bytes:
    value: dict[str, Any] = {
        draw.choice(("items", "k", "exclude_seen", "x")): draw.choice(
            ([draw.choice(words)], draw.choice(words), None, [[]], {}, [1.5], 10**30, True)
        )
        for _ in range(draw.randrange(3))
    }
    text = json.dumps(draw.choice((value, [value], draw.choice(words)))).encode()
    return draw.choice((text, text[: draw.randrange(1, len(text) + 1)], draw.randbytes(9)))


def count_malformed(port: int, users: list[str], number: int, connections: int = 8) -> Record:
    """Sends malformed requests and returns the number of answers by status; 0 stands for a closed
    connection.
    """
    return asyncio.run(_count_malformed(port, users, number, connections))


async def _count_malformed(port: int, users: list[str], number: int, connections: int) -> Record:
    statuses: Counter[int] = Counter()
    requests = malformed_requests(users, number)

    async def send() -> None:
        client = Client(port)
        for request in requests:
            status = 0
            with suppress(OSError):
                status, _ = await client.ask(request)
            if status in (0, 400):
                # What the server did not understand may still wait for more.
                client.close()
            statuses[status] += 1
        client.close()

    await asyncio.gather(*(send() for _ in range(connections)))
    failed = sum(count for status, count in statuses.items() if status >= 500)
    by_status = {str(status): statuses[status] for status in sorted(statuses)}
    return {"requests": number, "failed": failed, "by_status": by_status}
