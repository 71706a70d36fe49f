from importlib.util import find_spec

import pytest

from soil_bench.runs.environments import ENVIRONMENTS
from soil_bench.systems.command import MODELS
from soil_bench.systems.contestants import OURS, SYSTEMS, System


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_every_system_has_an_adapter_and_an_environment(system: System) -> None:
    assert find_spec(system.adapter) is not None
    assert system.environment is None or system.environment in ENVIRONMENTS
    assert set(system.models) <= set(MODELS)


def test_ours_is_the_measure() -> None:
    assert SYSTEMS[0].name == OURS
    assert set(SYSTEMS[0].models) == set(MODELS)
    assert len({system.name for system in SYSTEMS}) == len(SYSTEMS)
