from collections.abc import Sequence
from typing import Any, Literal

import pytest

from soil_pyg.workflow.option_words import element_type, elements, plain_reason


@pytest.mark.parametrize(
    ("option_type", "expected"),
    [
        (list[str] | None, str),
        (Sequence[int], int),
        (tuple[float, ...], float),
        (int, None),
        (Literal["a", "b"], None),
        (list[str] | int, None),
        (dict[str, int], None),
        (None, None),
    ],
)
def test_types_of_elements(option_type: Any, expected: type | None) -> None:
    assert element_type(option_type) is expected


@pytest.mark.parametrize("words", [["1", "2"], ["1,2"], ["[1, 2]"], ["[1", "2]"]])
def test_elements(words: list[str]) -> None:
    assert elements("ks", words, int) == [1, 2]
    assert elements("names", words, str) == ["1", "2"]


def test_a_reason_is_one_line_without_python_types() -> None:
    message = "Parser key \"soil.k\":\n  Expected a <class 'int'>. Got value: x"
    assert plain_reason(message) == "'k': expected int. Got value: x"
