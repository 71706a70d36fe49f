"""The command :obj:`soil-pyg`, with one module per subcommand that is imported on use.

Each module has the text :obj:`EXAMPLES`, which ends the help, :obj:`add_arguments(parser)` and
:obj:`run(arguments)`. A module whose flags depend on others also has
:obj:`add_options(parser, argv)`.
"""

import argparse
import errno
import os
import re
import sys
from importlib import import_module

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from soil_pyg.cli import flags
from soil_pyg.utils._private import parser_actions

COMMANDS = {
    "prepare": "make a data folder from interactions and item features",
    "train": "train a model on a data folder",
    "recommend": "recommend items to users",
    "similar": "find the items most similar to an item, or the users most similar to a user",
    "explain": "split a score into its parts",
    "evaluate": "rank all items for every user and compute the metrics",
    "compare": "show the settings in which runs differ and their metrics side by side",
    "report": "write a one-page report on a run or on a folder of runs",
    "export": "write data and embeddings in other formats",
}
DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
"""The exit codes."""

_REMEDIES = {
    errno.ENOSPC: "free some space or write to another disk",
    errno.EDQUOT: "free some space or write to another disk",
    errno.EACCES: "get permission or choose another path",
    errno.EPERM: "get permission or choose another path",
    errno.EROFS: "choose another path",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EISDIR: "name a file",
}


class _HelpFormatter(DefaultHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of examples and leaves out defaults of None and False."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = str(super()._get_help_string(action))
        if action.default in (None, []) or action.default is False:
            for part in (", default: %(default)s", " (default: %(default)s)"):
                text = text.replace(part, "")
        return text


def main(argv: list[str] | None = None) -> int:
    """Runs a command line without the name of the program, by default that of the process, and
    returns its exit code: 0 for success, 2 for wrong input, 1 for any other failure and 130 for an
    interruption.
    """
    argv = sys.argv[1:] if argv is None else argv
    # Custom models may live in the working directory.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    parser: argparse.ArgumentParser = _make_parser()
    try:
        if not argv or argv[0] not in COMMANDS:
            parser.parse_args(argv or ["--help"])
        else:
            module = import_module(f"{__name__}.{argv[0]}")
            text = COMMANDS[argv[0]]
            parser = ArgumentParser(
                prog=f"soil-pyg {argv[0]}",
                description=f"{text[0].upper()}{text[1:]}.",
                epilog=module.EXAMPLES,
                formatter_class=_HelpFormatter,
                allow_abbrev=False,
                exit_on_error=False,
            )
            module.add_arguments(parser)
            if hasattr(module, "add_options"):
                module.add_options(parser, argv[1:])
            arguments = parser.parse_args(flags.spell(parser, argv[1:]))
            flags.refuse_empty(parser, arguments)
            module.run(arguments)
        # Buffered output can still fail to be written.
        sys.stdout.flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else FAILED
    except KeyboardInterrupt:
        return _fail(parser, "interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader has closed the pipe, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ImportError, FloatingPointError) as error:
        return _fail(parser, str(error), FAILED)
    except (argparse.ArgumentError, ValueError, OSError) as error:
        return _fail(parser, _message_of(error, parser), WRONG_INPUT)
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
        description="Multimodal recommendation, from your own data to recommendations.",
        epilog=f"commands:\n{commands}\n\nOptions and examples: soil-pyg COMMAND --help",
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


def _fail(parser: argparse.ArgumentParser, message: str, code: int) -> int:
    sys.stderr.write(f"{parser.prog}: {' '.join(message.split())}\n")
    return code


def _message_of(error: Exception, parser: argparse.ArgumentParser) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        remedy = _REMEDIES.get(error.errno)
        where = f"'{error.filename}': " if error.filename else ""
        return f"{where}{os.strerror(error.errno)}{f'; {remedy}' if remedy else ''}"
    if not isinstance(error, argparse.ArgumentError):
        return flags.name_flags(parser, str(error))
    names = {
        action.dest: action.option_strings[0] if action.option_strings else action.dest.upper()
        for action in parser_actions(parser)
    }
    message = re.sub(r'Parser key "(\w+)"', lambda key: names.get(key[1], key[1]), error.message)
    start, required, missing = message.partition("arguments are required: ")
    if required:
        message = start + required + ", ".join(names.get(n, n) for n in missing.split(", "))
    # jsonargparse prints Python types, which are shortened here.
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
