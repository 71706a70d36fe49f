import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest

from soil_bench.speed import measurement, measurements, roofline
from soil_bench.speed.workloads import build_fast
from soil_pyg.datasets import SyntheticMultimodal
from soil_pyg.datasets.storage import save_data


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


@pytest.fixture
def small_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures the rates of the roofline with little work."""
    for name, value in {"MATRIX_SIZE": 32, "CACHED": 64, "EDGES": 128, "COPIED": 256}.items():
        monkeypatch.setattr(roofline, name, value)


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of the graphs of 100 users and 60 items."""
    folder = tmp_path_factory.mktemp("graphs")
    data = SyntheticMultimodal(num_users=100, num_items=60, modalities={"smell": 8})[0]
    save_data(data, folder / "inputs")
    record = build_fast(str(folder / "inputs"), str(folder / "fast"), "cpu")
    interactions = data["user", "interacts", "item"].edge_index.size(1)
    assert record["size"] == {"users": 100, "items": 60, "interactions": interactions}
    return str(folder / "fast")
