"""The command :obj:`soil-pyg`: one module a command, imported when it is used.

Each module has :obj:`add_arguments(parser)`, which also sets an example as the parser's epilog, and
:obj:`run(arguments)`; where some flags depend on others, also :obj:`add_options(parser, argv)`.
"""

import argparse
import errno
import os
import re
import sys
from importlib import import_module

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from soil_pyg.utils._private import parser_actions

COMMANDS = {
    "prepare": "make a data folder of interactions and of the features of items",
    "train": "train a model on a data folder",
    "recommend": "recommend items to users",
    "similar": "find the items that are like an item, or the users that are like a user",
    "explain": "take a score apart",
    "evaluate": "rank all items for every user and measure it",
    "compare": "show the settings in which runs differ, and their metrics, side by side",
    "report": "write one page on a run or on a folder of runs",
    "export": "write data and embeddings in the formats of others",
}
DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

_REMEDIES = {
    errno.ENOSPC: "make room there or write to another disk",
    errno.EDQUOT: "make room there or write to another disk",
    errno.EACCES: "ask for the permission or choose another path",
    errno.EPERM: "ask for the permission or choose another path",
    errno.EROFS: "choose another path",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EISDIR: "name a file",
}


class _HelpFormatter(DefaultHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of examples, and says no default where there is none."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = str(super()._get_help_string(action))
        if action.default is None or action.default is False:
            for part in (", default: %(default)s", " (default: %(default)s)"):
                text = text.replace(part, "")
        return text


def main(argv: list[str] | None = None) -> int:
    """Runs a command and returns the exit code.

    It is 0 if the command is done, 2 for wrong input, 1 for anything else and 130 if interrupted.

    Args:
        argv (list[str], optional): The arguments of the command line. (default: those of the
            process)
    """
    argv = sys.argv[1:] if argv is None else argv
    # A model of one's own is found in the working directory, too.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    parser: argparse.ArgumentParser = _make_parser()
    try:
        if not argv or argv[0] not in COMMANDS:
            parser.parse_args(argv or ["--help"])
        else:
            module = import_module(f"{__name__}.{argv[0]}")
            parser = _make_command_parser(argv[0])
            module.add_arguments(parser)
            if hasattr(module, "add_options"):
                module.add_options(parser, argv[1:])
            module.run(parser.parse_args(argv[1:]))
        # What is still in the buffer may fail, too.
        sys.stdout.flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else FAILED
    except KeyboardInterrupt:
        return _report(parser, "interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader of the output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ImportError, FloatingPointError) as error:
        return _report(parser, str(error), FAILED)
    except (argparse.ArgumentError, ValueError, OSError) as error:
        return _report(parser, _message_of(error, parser), WRONG_INPUT)
    return DONE


def _either(reasons: str) -> str:
    types = re.findall(r"-\s+(?:e|E)xpected a (.+?)(?=\s+-\s|\s*$)", reasons)
    return " or ".join(f"Expected a {name}" for name in types if "NoneType" not in name)


def _make_parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:{width}}  {text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="soil-pyg",
        usage="soil-pyg COMMAND ...",
        description="From your own data to recommendations.",
        epilog=f"commands:\n{commands}\n\nOptions and an example: soil-pyg COMMAND --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
    )
    version = import_module("soil_pyg").__version__
    parser.add_argument("--version", action="version", version=f"soil-pyg {version}")
    parser.add_argument(
        "command", choices=list(COMMANDS), metavar="COMMAND", help=argparse.SUPPRESS
    )
    return parser


def _make_command_parser(name: str) -> ArgumentParser:
    text = COMMANDS[name]
    return ArgumentParser(
        prog=f"soil-pyg {name}",
        description=f"{text[0].upper()}{text[1:]}.",
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
    )


def _report(parser: argparse.ArgumentParser, message: str, code: int) -> int:
    sys.stderr.write(f"{parser.prog}: {' '.join(message.split())}\n")
    return code


def _message_of(error: Exception, parser: argparse.ArgumentParser) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        remedy = _REMEDIES.get(error.errno)
        where = f"'{error.filename}': " if error.filename else ""
        return f"{where}{os.strerror(error.errno)}{f'; {remedy}' if remedy else ''}"
    if not isinstance(error, argparse.ArgumentError):
        return str(error)
    flags = {
        action.dest: action.option_strings[0] if action.option_strings else action.dest.upper()
        for action in parser_actions(parser)
    }
    message = re.sub(r'Parser key "(\w+)"', lambda key: flags.get(key[1], key[1]), error.message)
    start, required, names = message.partition("arguments are required: ")
    if required:
        message = start + required + ", ".join(flags.get(n, n) for n in names.split(", "))
    # The types as people write them.
    message = re.sub(
        r"Does not validate against any of the Union subtypes.*?Errors:(.*?)Given value type:.*?"
        r"Given value: ",
        lambda found: f"{_either(found[1])}. Got value: ",
        message,
        flags=re.DOTALL,
    )
    message = re.sub(r"Expected a typing\.Literal(\[.*?\])", r"expected one of \1", message)
    message = re.sub(r"Expected a <class '(\w+)'>", r"expected \1", message)
    if error.argument_name is not None:
        message = f"{error.argument_name}: {message}"
    return f"{message} (all options: {parser.prog} --help)"
