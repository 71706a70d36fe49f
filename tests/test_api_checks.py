"""Every public class and function refuses wrong arguments, in a test at its own path or here."""

import types
from pathlib import Path

import pytest

from api_cases import CASES, READ_FILES, ROOMS, named_cases, wrong_arguments


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_every_public_name_has_a_case(room: types.ModuleType) -> None:
    assert set(room.__all__) <= set(CASES) | READ_FILES


@pytest.mark.parametrize("name", CASES)
def test_lawful_arguments(name: str) -> None:
    CASES[name].function(**CASES[name].arguments)


def test_every_case_is_tested_once() -> None:
    assert named_cases("wrong_arguments", Path(__file__).parent) == sorted(CASES)


test_wrong_arguments = wrong_arguments(
    "SyntheticMultimodal", "ColourHistogramEncoder", "TfidfEncoder"
)
