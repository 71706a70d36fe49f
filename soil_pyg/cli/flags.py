"""The spelling of flags on the command line and in messages."""

import argparse
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from jsonargparse import Namespace

IDS = ("user", "item", "users", "items", "allow", "deny")
"""The arguments whose values may be empty, as ids may."""
_ALIASES = (
    ("interactions", "file"),
    ("interactions", "new_users"),
    ("features", "new_items"),
    ("ids", "new_items"),
    ("splits", "split"),
    ("file_format", "to"),
    ("trained", "run"),
    ("run_or_folder", "run"),
)
_BEFORE = "and|as|either|excludes|give|if|or|pass|requires|with|without"
_AFTER = "excludes|holds|must|requires"


def spell(parser: argparse.ArgumentParser, argv: list[str]) -> list[str]:
    """Returns a command line with the flags as the parser spells them: in all flags, :obj:`_` and
    :obj:`-` are the same. Raises :class:`ValueError` if a flag that takes one value occurs twice.
    """
    # Imports torch, which takes seconds.
    from soil_pyg.utils._private import AppendAction

    actions = {flag: action for action in _actions(parser) for flag in action.option_strings}
    known = {_plain(flag): flag for flag in actions}
    spelled: list[str] = []
    seen: set[str] = set()
    for place, word in enumerate(argv):
        flag, equals, value = word.partition("=")
        if word == "--":
            return spelled + argv[place:]
        if word.startswith("--"):
            flag = known.get(_plain(flag), flag)
            if flag in seen and not isinstance(actions.get(flag), AppendAction):
                raise ValueError(f"'{flag}' must be given once (got it twice)")
            seen.add(flag)
        spelled.append(flag + equals + value)
    return spelled


def refuse_empty(parser: argparse.ArgumentParser, arguments: Namespace) -> None:
    """Raises :class:`ValueError` if the value of a flag other than ids is an empty text."""
    for action in _actions(parser):
        value = arguments.get(action.dest)
        if action.dest not in IDS and "" in (value if isinstance(value, list) else [value]):
            raise ValueError(f"'{_name_of(action)}' must not be empty (got '')")


def flags_of(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Returns the flag or the name of each argument of a parser, and of those arguments of
    functions that stand for one by another name.
    """
    flags = {action.dest: _name_of(action) for action in _actions(parser)}
    others = {name: flags[dest] for name, dest in _ALIASES if dest in flags}
    return others | flags


def given_flags(argv: list[str]) -> dict[str, str]:
    """Returns the flag of each argument that a command line gives.

    Example:
        >>> given_flags(["--batch-size=3", "--soil.k_i", "5"])
        {'batch_size': '--batch-size', 'k_i': '--soil.k_i'}
    """
    given = [word.partition("=")[0] for word in argv if word.startswith("--")]
    flags = {flag.lstrip("-").rpartition(".")[2].replace("-", "_"): flag for flag in given}
    return {"model": flags["models"]} | flags if "models" in flags else flags


def name_flags(message: str, flags: Mapping[str, str]) -> str:
    """Returns a message of a function with flags in place of its arguments.

    Example:
        >>> name_flags("'k' must be at least 1 (got 'k')", {"k": "--k"})
        "'--k' must be at least 1 (got 'k')"
        >>> name_flags("'users': there is no user 'k', 'data'", {"users": "--users", "k": "--k"})
        "'--users': there is no user 'k', 'data'"
        >>> name_flags("it is missing: set 'item_column' (--item-column)", {})
        "it is missing: set '--item-column'"
        >>> name_flags("'data' has no prepare.json", {"data": "--data"})
        "'data' has no prepare.json"
    """

    def replace(match: re.Match[str]) -> str:
        before, name, after = match[1] or "", match[2], match[3] or ""
        # Elsewhere, a name in a list or before a colon may be a value.
        is_argument = before or after in _AFTER.split("|") or (after and match.start() == 0)
        return f"{before}'{flags.get(name, name) if is_argument else name}'"

    # A mapping is given as NAME=FILE.
    message = re.sub(
        r"^(\w+)\['([^']+)'\]",
        lambda match: f"'{flags[match[1]]} {match[2]}'" if match[1] in flags else match[0],
        message,
    )
    pattern = rf"(\b(?:{_BEFORE}) )?'(\w+)'(?= ?((?:{_AFTER}|and)\b|[:,(])|)"
    named = re.sub(pattern, replace, message, flags=re.IGNORECASE)
    # A message for both doors names the argument and the flag.
    return re.sub(r"'[\w-]+' \((--[\w-]+)\)", r"'\1'", named)


@contextmanager
def naming_flags(flags: Mapping[str, str]) -> Iterator[None]:
    """Makes errors about arguments of functions name the flags that stand for them."""
    try:
        yield
    except (ValueError, OSError) as error:
        message = name_flags(str(error), flags)
        if message == str(error) or getattr(error, "errno", None) is not None:
            raise
        raise ValueError(message) from error


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    from soil_pyg.utils._private import parser_actions

    return parser_actions(parser)


def _plain(flag: str) -> str:
    return flag.replace("_", "-")


def _name_of(action: argparse.Action) -> str:
    return action.option_strings[0] if action.option_strings else action.dest.upper()
