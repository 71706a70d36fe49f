import os
import sys
from argparse import SUPPRESS
from importlib import import_module

from soil_pyg.cli import COMMANDS
from soil_pyg.cli.flags import flags_of, naming_flags
from soil_pyg.cli.messages import add_messages, messages
from soil_pyg.cli.parser import Parser
from soil_pyg.cli.run_command import run_command
from soil_pyg.utils.signals import raise_on_signals

SHELLS = ("bash", "zsh")
"""The shells whose command lines can be completed."""


def run_subcommand(prog: str, argv: list[str]) -> int:
    """Runs a command line of :obj:`soil-pyg`, with :obj:`prog` in its messages, and returns the
    exit code.
    """
    # Custom models may live in the working directory.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    return run_command(prog, lambda: _run(prog, argv), argv)


def _run(prog: str, argv: list[str]) -> None:
    flag, _, shell = " ".join(argv).replace("=", " ").partition(" ")
    if flag == "--print-completion" and shell in SHELLS:
        # Imports torch, which takes seconds.
        from soil_pyg.cli.completion import completion

        sys.stdout.write(completion(shell))
        return
    if not argv or argv[0] not in COMMANDS:
        _main_parser(prog).parse_args(argv or ["--help"])
        return
    name, *rest = argv
    module = import_module(f"{__package__}.{name}")
    text = COMMANDS[name]
    parser = Parser(prog, f"{text[0].upper()}{text[1:]}.", module.EXAMPLES)
    module.add_arguments(parser)
    if hasattr(module, "add_options"):
        with naming_flags(flags_of(parser)):
            module.add_options(parser, rest)
    add_messages(parser)
    arguments = parser.parse_args(rest)
    raise_on_signals()
    with messages(arguments), naming_flags(flags_of(parser)):
        module.run(arguments)


def _main_parser(prog: str) -> Parser:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:{width}}  {text}" for name, text in COMMANDS.items())
    parser = Parser(
        prog,
        "Multimodal recommendation, from your own data to recommendations.",
        f"commands:\n{commands}\n\nOptions and examples: soil-pyg COMMAND --help",
        usage="soil-pyg COMMAND ...",
    )
    version = import_module("soil_pyg").__version__
    parser.add_argument("--version", action="version", version=f"soil-pyg {version}")
    parser.add_argument(
        "--print-completion",
        choices=SHELLS,
        help='print the completion of command lines: eval "$(soil-pyg --print-completion bash)"',
    )
    parser.add_argument("command", choices=list(COMMANDS), metavar="COMMAND", help=SUPPRESS)
    return parser
