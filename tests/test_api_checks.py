"""Every public class and function refuses wrong arguments, in a test at its own path or here."""

import re
import types
from pathlib import Path

import pytest

from api_cases import CASES, READ_FILES, ROOMS, wrong_arguments


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_every_public_name_has_a_case(room: types.ModuleType) -> None:
    assert set(room.__all__) <= set(CASES) | READ_FILES


@pytest.mark.parametrize("name", CASES)
def test_lawful_arguments(name: str) -> None:
    CASES[name].function(**CASES[name].arguments)


def test_every_case_is_tested_once() -> None:
    calls = re.compile(r"^test_\w+ = wrong_arguments\((.*?)\)", re.MULTILINE | re.DOTALL)
    texts = (path.read_text() for path in Path(__file__).parent.rglob("test_*.py"))
    found = [
        name for text in texts for call in calls.findall(text) for name in call.split('"')[1::2]
    ]
    assert sorted(found) == sorted(CASES)


test_wrong_arguments = wrong_arguments(
    "SyntheticMultimodal", "ColourHistogramEncoder", "TfidfEncoder"
)
