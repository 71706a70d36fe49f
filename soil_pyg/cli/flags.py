"""The spelling of flags on the command line and in messages."""

import argparse
import re

from jsonargparse import Namespace

from soil_pyg.utils._private import AppendAction, parser_actions

IDS = ("user", "item", "users", "items", "allow", "deny")
"""The arguments whose values may be empty, as ids may."""
_BEFORE = "and|as|either|excludes|for|give|if|of|or|pass|requires|with|without"
_AFTER = "excludes|holds|is|must|requires"


def spell(parser: argparse.ArgumentParser, argv: list[str]) -> list[str]:
    """Returns a command line with the flags as the parser spells them: in all flags, :obj:`_` and
    :obj:`-` are the same. Raises :class:`ValueError` if a flag that takes one value occurs twice.
    """
    actions = {flag: action for action in parser_actions(parser) for flag in action.option_strings}
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
    for action in parser_actions(parser):
        value = arguments.get(action.dest)
        if action.dest not in IDS and "" in (value if isinstance(value, list) else [value]):
            raise ValueError(f"'{_name_of(action)}' must not be empty (got '')")


def name_flags(parser: argparse.ArgumentParser, message: str) -> str:
    """Returns a message of a function with the flags of a parser in place of the arguments."""
    names = {action.dest: _name_of(action) for action in parser_actions(parser)}

    def replace(match: re.Match[str]) -> str:
        before, name, after = match[1] or "", match[2], match[3] or ""
        is_argument = match.start() == 0 or before or after
        named = names.get(name, name) if is_argument else name
        return f"{before}'{named}'{after}"

    pattern = rf"(\b(?:{_BEFORE}) )?'(\w+)'( (?:{_AFTER})\b|:)?"
    named = re.sub(pattern, replace, message, flags=re.IGNORECASE)
    return re.sub(r"('(--[\w-]+)') \(\2\)", r"\1", named)


def _plain(flag: str) -> str:
    return flag.replace("_", "-")


def _name_of(action: argparse.Action) -> str:
    return action.option_strings[0] if action.option_strings else action.dest.upper()
