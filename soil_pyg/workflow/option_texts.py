"""The descriptions of options, taken from the docstrings of the classes that have them."""

import inspect
import re
from collections.abc import Iterable
from typing import Any

from soil_pyg import transforms

_ARGUMENT = re.compile(
    r"^ {4}(\w+(?:, \w+)*) \([^\n]*?\):\s*(.*?)(?=^ {0,4}\S|\Z)", re.MULTILINE | re.DOTALL
)


def option_texts(documented: Iterable[Any]) -> dict[str, str]:
    """Returns the first description of each argument in the docstrings of classes and functions, as
    plain text without the default.

    Example:
        >>> from soil_pyg.training import Trainer
        >>> option_texts([Trainer])["metric"]
        'The validation metric.'
    """
    found: dict[str, str] = {}
    for part in documented:
        _, _, arguments = (inspect.getdoc(part) or "").partition("\nArgs:\n")
        arguments = re.split(r"^\w+:$", arguments, maxsplit=1, flags=re.MULTILINE)[0]
        for names, text in _ARGUMENT.findall(arguments):
            found |= {name: _plain(text) for name in names.split(", ") if name not in found}
    for name, text in found.items():
        # Models refer to the transforms for some options.
        if (reference := re.match(r"See (\w+)( \(.*\))?", text)) and hasattr(
            transforms, reference[1]
        ):
            texts = option_texts([getattr(transforms, reference[1])])
            found[name] = f"{texts[name].rstrip('.')}{reference[2] or ''}."
    return found


def _plain(text: str) -> str:
    text = " ".join(text.split())
    text = re.sub(r" ?\(default: [^()]*(\([^()]*\)[^()]*)*\)$", "", text)
    text = re.sub(r":math:`([^`]*)`", lambda match: _formula(match[1]), text)
    text = re.sub(r":obj:`([^`]*)`", r"\1", text)
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?([^`]*)`", r"\1", text)
    return re.sub(r" +([.,;:])", r"\1", text).strip()


def _formula(text: str) -> str:
    # A terminal shows no formulas; single letters are understood.
    return text if re.fullmatch(r"\w+", text) else ""
