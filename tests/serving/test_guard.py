import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from soil_pyg.serving.guard import Guard, to_json


def pieces(number: int) -> Iterator[bytes]:
    """A body without a length, piece by piece."""
    yield b'{"items": ["v1"'
    for _ in range(number):
        yield b', "v1"'
    yield b"]}"


@pytest.mark.parametrize(("number", "status"), [(3, 200), (400, 413)])
def test_bodies_are_counted_as_they_come(client: Any, number: int, status: int) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post("/users", content=pieces(number), headers=headers)
    assert answer.status_code == status
    if status == 413:
        assert answer.json() == {
            "error": "the body must have at most 2000 bytes (got more): send fewer ids"
        }
        text = client.get("/metrics").text
        assert 'soil_pyg_requests_total{address="other",status="413"} 1.0' in text


def test_a_client_that_never_ends_its_body_gets_an_answer() -> None:
    sent: list[dict[str, Any]] = []
    observed: list[tuple[str, int]] = []

    async def app(*arguments: Any) -> None:
        raise AssertionError("the body is not complete")

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    class Observer:
        def observe(self, address: str, status: int, seconds: float) -> None:
            observed.append((address, status))

    async def stopped() -> None:
        guard = Guard(app, 2000, Observer())  # type: ignore[arg-type]
        scope = {"type": "http", "headers": [(b"content-length", b"9")], "query_string": b""}
        task = asyncio.create_task(guard(scope, receive, send))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        await task

    asyncio.run(stopped())
    assert [message.get("status") for message in sent] == [503, None]
    assert b"the server has ended" in sent[1]["body"]
    assert observed == [("other", 503)]


def test_a_number_of_many_digits_is_no_repeated_key(client: Any) -> None:
    headers = {"content-type": "application/json"}
    body = b'{"items": ["v1"], "k": ' + b"9" * 1900 + b"}"
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(1000)
    try:
        answer = client.post("/users", content=body, headers=headers)
    finally:
        sys.set_int_max_str_digits(limit)
    assert answer.status_code in (400, 422)
    assert "once" not in answer.json()["error"]


def test_json_is_always_utf8() -> None:
    assert to_json({"é": "\ud800", "n": 0.1}) == b'{"\xc3\xa9":"\\ud800","n":0.1}'
    with pytest.raises(ValueError, match="float"):
        to_json(float("nan"))
