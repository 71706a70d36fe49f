import subprocess
import sys
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

import pytest

import soil_pyg

FUNCTIONS = [name for name in soil_pyg.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_and_its_module_keep_their_names(name: str) -> None:
    function = getattr(soil_pyg, name)
    assert type(function) is FunctionType
    assert function.__name__ == name
    found: dict[str, Any] = {}
    exec(f"import {function.__module__} as module", found)
    assert type(found["module"]) is ModuleType
    assert found["module"] is import_module(function.__module__)
    assert getattr(found["module"], name) is function


def test_public_names() -> None:
    assert set(FUNCTIONS) == set(soil_pyg._MODULES)
    assert set(soil_pyg.__all__) <= set(dir(soil_pyg))
    found: dict[str, Any] = {}
    exec("from soil_pyg import *", found)
    assert set(found) - {"__builtins__"} == set(soil_pyg.__all__)
    with pytest.raises(AttributeError, match=r"'soil_pyg'.*'no_such_name'"):
        _ = soil_pyg.no_such_name


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, soil_pyg; print('torch' in sys.modules, 'train' in dir(soil_pyg))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]
