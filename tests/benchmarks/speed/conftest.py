import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest

from soil_bench.speed import measurement, measurements


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions that were measured, here in this process."""
    made: list[str] = []

    def measure(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        module, _, name = function.partition(":")
        made.append(name)
        return json.loads(json.dumps(getattr(import_module(module), name)(**arguments)))

    monkeypatch.setattr(measurement, "call_isolated", measure)
    monkeypatch.setattr(measurements, "versions_and_code", lambda model: {"code": "of the test"})
    monkeypatch.setattr(sys, "path", [*sys.path])
    return made


@pytest.fixture
def failing(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Raises an error in place of the measurements that meet a condition."""

    @contextmanager
    def fail(
        is_failing: Callable[[str, dict[str, Any]], bool], error: BaseException
    ) -> Iterator[None]:
        in_process = measurement.call_isolated

        def measure(function: str, given: dict[str, Any]) -> dict[str, Any]:
            if is_failing(function.partition(":")[2], given):
                raise error
            return in_process(function, given)

        with monkeypatch.context() as patch:
            patch.setattr(measurement, "call_isolated", measure)
            yield

    return fail
