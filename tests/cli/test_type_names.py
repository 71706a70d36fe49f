import re

import pytest

from soil_pyg.cli import main
from soil_pyg.cli.type_names import readable_type


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("int", "integer"),
        ("Union[int, Literal['auto']]", "integer or 'auto'"),
        ("Optional[Literal['csv', 'json']]", "'csv' or 'json'"),
        ("int | float | str", "integer or number or text"),
        ("list[str] | null", "list of text"),
        ("Union[dict[str, Union[int, str]], None]", "JSON object of integer or text"),
        ("Sequence[int]", "list of integer"),
        ("list of integer", "list of integer"),
        ("list", "list"),
        ("Fraction", "Fraction"),
    ],
)
def test_types_in_words(name: str, expected: str) -> None:
    assert readable_type(name) == expected


@pytest.mark.parametrize("command", ["train", "recommend", "evaluate", "export"])
def test_help_without_types_of_python(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    types = re.findall(r"type:\s+([^(),]+)", shown)
    assert types
    assert not any("[" in found or found.split()[0] in ("int", "str", "float") for found in types)
