import json
import sys
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
