"""The completion of command lines of :obj:`soil-pyg` in bash and zsh."""

import argparse
from importlib import import_module

from jsonargparse import ArgumentParser

from soil_pyg.cli import COMMANDS
from soil_pyg.cli.messages import add_messages
from soil_pyg.models.resolver import own_models

_SCRIPT = """\
_soil_pyg() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
    local command="${{COMP_WORDS[1]}}" model="soil" i words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$word"))
        return
    fi
    for ((i = 2; i < COMP_CWORD; i++)); do
        if [ "${{COMP_WORDS[i]}}" = "--model" ]; then model="${{COMP_WORDS[i+1]}}"; fi
    done
    case "$command $before" in
{values}
    esac
    if [ -z "$words" ] && [ "${{word#-}}" != "$word" ]; then
        case "$command" in
{flags}
        esac
        case "$command $model" in
{options}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _soil_pyg soil-pyg
"""


def completion(shell: str) -> str:
    """Returns the script that completes commands, flags and their choices in :obj:`"bash"` or
    :obj:`"zsh"`; the flags of :obj:`train` are those of its :obj:`--model`.
    """
    flags: dict[str, list[str]] = {}
    values: list[str] = []
    for command in COMMANDS:
        module = import_module(f"{__package__}.{command}")
        parser = ArgumentParser(print_config=None)
        module.add_arguments(parser)
        add_messages(parser)
        flags[command] = _flags(parser)
        values += [_case(f"{command} {flag}", words) for flag, words in _choices(parser)]
    models = own_models()
    values.append(_case("train --model", " ".join(models)))
    options = []
    for model in models:
        parser, module = ArgumentParser(print_config=None), import_module(f"{__package__}.train")
        module.add_options(parser, ["--model", model])
        more = dict.fromkeys([*flags["train"], *_flags(parser)])
        options.append(_case(f"train {model}", " ".join(more)))
    script = _SCRIPT.format(
        commands=" ".join(COMMANDS),
        values="\n".join(values),
        flags="\n".join(_case(name, " ".join(known)) for name, known in flags.items()),
        options="\n".join(options),
    )
    before = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return before + script


def _case(key: str, words: str) -> str:
    return f"        '{key}') words='{words}';;"


def _flags(parser: argparse.ArgumentParser) -> list[str]:
    from soil_pyg.utils._private import parser_actions

    found = [flag for action in parser_actions(parser) for flag in action.option_strings]
    return [flag for flag in found if flag.startswith("--")]


def _choices(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """Returns the choices of the flags that have some, which their help names in braces."""
    from soil_pyg.utils._private import parser_actions

    found = []
    for action in parser_actions(parser):
        shown = str(action.metavar or "")
        if action.option_strings and shown.startswith("{"):
            found.append((action.option_strings[0], shown.strip("{}").replace(",", " ")))
    return found
