"""The descriptions of options, taken from the docstrings of the classes that have them."""

import inspect
import re
import sys
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
            new = [name for name in names.split(", ") if name not in found]
            found |= dict.fromkeys(new, _followed(_plain(text), new, part))
    return found


def _followed(text: str, names: list[str], part: Any) -> str:
    """Returns a text, or that of the class that it refers to, which is known to the module of the
    documented part or a transform.
    """
    reference = re.match(r"See (\w+)( \(.*\))?", text)
    if reference is None or not names:
        return text
    module = sys.modules.get(getattr(part, "__module__", ""))
    owner = getattr(transforms, reference[1], None) or getattr(module, reference[1], None)
    texts = {} if owner is None else option_texts([owner])
    followed = texts.get(names[0], text).rstrip(".")
    return f"{followed}{reference[2] or ''}." if owner is not None else text


def _plain(text: str) -> str:
    text = " ".join(text.split())
    text = re.sub(r" ?\(default: [^()]*(\([^()]*\)[^()]*)*\)$", "", text)
    text = re.sub(r":math:`([^`]*)`", lambda match: _formula(match[1]), text)
    text = re.sub(r":obj:`([^`]*)`", r"\1", text)
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?([^`]*)`", r"\1", text)
    return re.sub(r" +([.,;:])", r"\1", text).strip()


def _formula(text: str) -> str:
    # A terminal shows no formulas, but letters with indices are understood.
    text = text.replace(r"\cdot", "*")
    return re.sub(r"\\(math\w+|[lr]vert|,)|[\\{}]", "", text)
