import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace

from soil_pyg.cli.flags import flags_of, refuse_empty, spell
from soil_pyg.cli.type_names import with_readable_types

HELP = {"-h", "--help", "--version"}


class UsageError(ValueError):
    """A command line that does not fit its flags."""


class HelpShown(SystemExit):
    """Ends a command that has shown its help or its version."""


class HelpFormatter(DefaultHelpFormatter):
    """Leaves out defaults of None and False, and shows types in words."""

    def _expand_help(self, action: argparse.Action) -> str:
        return with_readable_types(str(super()._expand_help(action)))

    def _get_help_string(self, action: argparse.Action) -> str:
        text = str(super()._get_help_string(action))
        if str(action.metavar).startswith("{"):
            # The choices stand before the text.
            for part in ("type: %(type)s, ", " (type: %(type)s)"):
                text = text.replace(part, "")
        if action.default in (None, []) or action.default is False:
            for part in (", default: %(default)s", " (default: %(default)s)"):
                text = text.replace(part, "")
        return text


class ExamplesFormatter(HelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of examples."""


class Parser(ArgumentParser):
    """A parser that takes no abbreviations and raises :class:`UsageError` with the flag, the
    expected values and the given one.

    Args:
        prog (str, optional): The name of the command. (default: that of the process)
        description (str, optional): The text before the flags in the help. (default: :obj:`None`)
        epilog (str, optional): The text after them, which keeps its line breaks.
            (default: :obj:`None`)
        hint (str): The advice on unknown arguments. (default: that flags cannot be abbreviated)
        **options: Other options of :class:`jsonargparse.ArgumentParser`.
    """

    def __init__(
        self,
        prog: str | None = None,
        description: str | None = None,
        epilog: str | None = None,
        hint: str = "",
        **options: Any,
    ) -> None:
        formatter = ExamplesFormatter if epilog else HelpFormatter
        self._hint = hint or "flags cannot be abbreviated"
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=formatter,
            allow_abbrev=False,
            exit_on_error=False,
            print_config=None,
            **options,
        )

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, **options: Any
    ) -> Namespace:
        """Returns the parsed arguments. In all flags, :obj:`_` and :obj:`-` are the same."""
        words = list(sys.argv[1:] if args is None else args)
        asks_for_help = not HELP.isdisjoint(words)
        try:
            # The spelling imports torch, which takes seconds.
            words = words if asks_for_help else spell(self, words)
            found = super().parse_args(_config_first(words), **options)
        except argparse.ArgumentError as error:
            raise UsageError(self._describe(error)) from error
        refuse_empty(self, found)
        return found

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Raises :class:`HelpShown`, which differs from the exits of other code."""
        raise HelpShown(status)

    def _describe(self, error: argparse.ArgumentError) -> str:
        flags = flags_of(self)
        message = re.sub(
            r'Parser key "([\w.]+)"', lambda key: flags.get(key[1], key[1]), error.message
        )
        if message.startswith("unrecognized"):
            message += f"; {self._hint}"
        start, required, names = message.partition("arguments are required: ")
        if required:
            message = start + required + ", ".join(flags.get(n, n) for n in names.split(", "))
        # jsonargparse prints Python types, which are shortened here.
        message = re.sub(
            r"Does not validate against any of the Union subtypes.*?Errors:(.*?)Given value type:"
            r".*?Given value: ",
            lambda found: f"{_either(found[1])}. Got value: ",
            message,
            flags=re.DOTALL,
        )
        message = re.sub(
            r"Not of type \w+: (.+) does not conform to restriction v *(\S+)(?: and v *(\S+))?",
            _restricted,
            message,
        )
        message = re.sub(r"Not of type \w+: ", "", message)
        message = re.sub(
            r"^Option '(.+)' is not accepted$", r"--config has no option '\1'", message
        )
        message = re.sub(r"Expected a typing\.Literal(\[.*?\])", r"expected one of \1", message)
        message = re.sub(
            r"Expected a <class '(collections\.abc\.Sequence|list)'>",
            "expected a list such as [1,2]",
            message,
        )
        message = re.sub(r"Expected a <class '(\w+)'>", r"expected \1", message)
        if error.argument_name is not None:
            message = f"{error.argument_name}: {message}"
        return f"{message} (all options: {self.prog} --help)"


def _config_first(words: list[str]) -> list[str]:
    """Moves the flag of a file of arguments, which the others override, to the front."""
    for place, word in enumerate(words):
        if word.partition("=")[0] == "--config":
            end = place + 1 if "=" in word else place + 2
            return words[place:end] + words[:place] + words[end:]
    return words


def _either(reasons: str) -> str:
    types = re.findall(r"-\s+(?:e|E)xpected a (.+?)(?=\s+-\s|\s*$)", reasons)
    return " or ".join(f"Expected a {name}" for name in types if "NoneType" not in name)


def _restricted(found: re.Match[str]) -> str:
    value, *limits = filter(None, found.groups())
    return f"must be {' and '.join(limits)} (got {value})"
