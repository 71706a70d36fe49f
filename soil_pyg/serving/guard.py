import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from soil_pyg.serving.errors import one_line
from soil_pyg.serving.metrics import Metrics
from soil_pyg.utils.records import RepeatedKeyError, unique_keys

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LISTS = ("user", "item", "allow", "deny")
"""The parameters that may be repeated, but for an explanation."""
OTHER = "other"
"""The address in the metrics of requests to no endpoint."""


def to_json(value: Any) -> bytes:
    """Returns a JSON value as UTF-8. Half of a surrogate pair, which UTF-8 lacks, is escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


class Guard:
    """Refuses bodies that are too large before they are read, and counts and times requests.

    Args:
        app (callable): The ASGI application.
        max_body (int): The largest number of bytes of a body.
        metrics (Metrics): The numbers of the server.
    """

    def __init__(self, app: App, max_body: int, metrics: Metrics) -> None:
        self._app, self._max_body, self._metrics = app, max_body, metrics

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            try:
                body = await self._read(receive) if _has_body(scope) else b""
            except asyncio.CancelledError:
                # The server ends; uvicorn would log an error.
                text = "the server has ended before the body came: send the request again"
                await _refuse(noting, 503, text, (b"connection", b"close"))
                return
            if body is None:
                text = f"the body must have at most {self._max_body} bytes (got more)"
                await _refuse(noting, 413, f"{text}: send fewer ids", (b"connection", b"close"))
            elif (twice := _given_twice(scope, body)) is not None:
                await _refuse(noting, 400, f"{twice} must be given once (got two values)")
            else:
                await self._app(scope, _replay(body, receive), noting)
        finally:
            address = getattr(scope.get("route"), "path", OTHER)
            self._metrics.observe(address, status, time.perf_counter() - start)

    async def _read(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._max_body:
                return None
            if not message.get("more_body", False):
                return bytes(body)


async def _refuse(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    headers = ((b"content-type", b"application/json"), *headers)
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": to_json({"error": text})})


def _given_twice(scope: MutableMapping[str, Any], body: bytes) -> str | None:
    """Returns a parameter of which the last value would count, if there is one."""
    if b"&" in scope["query_string"]:
        lists = () if scope["path"].endswith("/explain") else LISTS
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        names = [name for name, _ in pairs if name not in lists]
        for place, name in enumerate(names):
            if name in names[:place]:
                return one_line(f"'{name}'")
    try:
        json.loads(body or b"{}", object_pairs_hook=unique_keys)
    except RepeatedKeyError:
        return "each key of the body"
    except (ValueError, RecursionError):
        # The application says what is wrong.
        return None
    return None


def _has_body(scope: MutableMapping[str, Any]) -> bool:
    names = {name for name, _ in scope["headers"]}
    return bool(names & {b"content-length", b"transfer-encoding"})


def _replay(body: bytes, receive: Receive) -> Receive:
    is_sent = False

    async def replay() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
