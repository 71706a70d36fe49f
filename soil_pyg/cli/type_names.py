"""Names of types as the help of a command shows them."""

import re

WORDS = {
    "int": "integer",
    "float": "number",
    "str": "text",
    "bool": "true or false",
    "Any": "value",
    "PositiveInt": "integer of at least 1",
    "Size": "integer of at least 1",
    "NumSeeds": "integer of at least 1",
    "NonNegativeInt": "integer of at least 0",
    "PositiveFloat": "number above 0",
    "ClosedUnitInterval": "number from 0 to 1",
}
NONE = ("None", "NoneType", "null")
_TYPE = re.compile(r"(?<=\btype: )[\w.]+(?:\[[^()]*\])?(?: \| [\w.]+(?:\[[^()]*\])?)*")


def with_readable_types(text: str) -> str:
    """Returns the help of a flag with the types of Python in words.

    Example:
        >>> with_readable_types("batches (type: Union[int, Literal['auto']], default: 2)")
        "batches (type: integer or 'auto', default: 2)"
    """
    return _TYPE.sub(lambda found: readable_type(found[0]), text)


def readable_type(name: str) -> str:
    """Returns a type of Python in words.

    Example:
        >>> readable_type("Optional[list[str]]"), readable_type("dict[str, PositiveInt]")
        ('list of text', 'JSON object of integer of at least 1')
    """
    options = _split(name, "|")
    if len(options) == 1:
        outer, _, inner = name.partition("[")
        parts = _split(inner[:-1], ",")
        if outer in ("list", "List", "Sequence") and inner:
            return f"list of {readable_type(parts[0])}"
        if outer in ("dict", "Dict"):
            return f"JSON object of {readable_type(parts[-1])}"
        if outer == "Literal":
            return " or ".join(parts)
        if outer not in ("Union", "Optional"):
            return WORDS.get(name, name)
        options = parts
    return " or ".join(readable_type(option) for option in options if option not in NONE)


def _split(text: str, separator: str) -> list[str]:
    """Returns the parts of a text between separators outside of brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
