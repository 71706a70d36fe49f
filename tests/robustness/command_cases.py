"""Wrong inputs of the command soil-pyg: one line per flag, and one per other fault."""

from collections.abc import Iterator
from shlex import quote

import values
from command_flags import COMMANDS, FLAGS, MODULES, REPEATABLE, SOURCES, SWITCHES, Values
from harness import Case


def command_cases() -> Iterator[Case]:
    """Yields the cases of all flags, of their absence and of their repetition."""
    for command, flags in FLAGS.items():
        for flag, wrong in flags.items():
            yield from flag_cases(f"soil-pyg {COMMANDS[command]}", flag, wrong)
        yield from flag_cases(f"soil-pyg {COMMANDS[command]}", "--log-level", values.CHOICE)
        for flag in (*SWITCHES.get(command, ()), "--quiet"):
            line = f"soil-pyg {COMMANDS[command]}"
            yield Case(f"{line} {flag}=3", "a switch with a value", (flag,))
            yield Case(f"{line} {flag} {flag}", "a flag twice", (flag,))
            yield Case(f"{line} {flag[:-1]}", "an abbreviated flag", (flag[:-1],))
        if command in ("recommend", "similar", "explain", "evaluate", "report", "serve", "export"):
            line = f"soil-pyg {COMMANDS[command]}"
            yield from flag_cases(line, "--model-module", MODULES)
        yield from source_cases(command)


def flag_cases(line: str, flag: str, wrong: Values) -> Iterator[Case]:
    """Yields the cases of one flag: of each wrong value, without a value, twice and abbreviated.

    Args:
        line: A right command line, from which the flag is removed.
        flag: The flag, after the words that it requires.
        wrong: The wrong values.
    """
    *before, name = flag.split(" ")
    line = " ".join([without(line, {name, *before, *OTHER_DOOR.get(name, ())}), *before])
    make = values.write_id_files
    for kind, value in wrong.items():
        yield Case(f"{line} {name}={quote(value)}", kind, _names(name, value), make)
        separate = f"{line} {name} {quote(value)}"
        if value == "":
            yield Case(separate, "an empty word", _names(name, value), make)
    yield Case(f"{line} {name}", "a missing value", (name, name.partition(".")[0]))
    first, *others = [*filter(None, wrong.values())] or ["some"]
    second = others[0] if others else "other"
    if name not in REPEATABLE:
        twice = f"{line} {name}={quote(first)} {name}={quote(second)}"
        yield Case(twice, "a flag twice", (name,), make)
    if len(name) > 6 and name not in ("--users-file", "--items-file"):
        yield Case(f"{line} {name[:-1]}={quote(first)}", "an abbreviated flag", (name[:-1],))


OTHER_DOOR = {
    "--users-file": ("--users", "--items"),
    "--items-file": ("--items",),
    "--users": ("--items",),
}
"""Flags that exclude each other."""


def without(line: str, flags: set[str]) -> str:
    """Returns a command line without some flags and their values.

    Example:
        >>> without("soil-pyg recommend RUN --users u1 --k 3", {"--users"})
        'soil-pyg recommend RUN --k 3'
    """
    kept, skip = [], False
    for word in line.split():
        skip = word in flags or (skip and not word.startswith("--"))
        if not skip:
            kept.append(word)
    return " ".join(kept)


def _names(flag: str, value: str) -> tuple[str, ...]:
    # A file is named by its path, an argument by its flag.
    path = value.partition("=")[2] or value
    if path != value:
        return (flag, path)
    if flag in ("--dataset", "--root"):
        return (flag, value)
    is_path = "." in path or path in (
        "missing",
        "root",
        "empty",
        "DATA",
        "OTHER",
        "RUN",
        "UNFINISHED",
    )
    return (flag, path, path.partition("/")[0]) if is_path else (flag,)


def source_cases(command: str) -> Iterator[Case]:
    """Yields the cases of the first argument, and of one too many and of none."""
    _, first, *rest = COMMANDS[command].split()
    for kind, value in SOURCES[command].items():
        names = (value,) if value else ("FILE", "DATA", "RUN", "RUNS", "FOLDER")
        line = " ".join(["soil-pyg", command, quote(value), *rest])
        yield Case(line, f"{kind} as the first argument", names, values.write_id_files)
    if command != "compare":
        line = f"soil-pyg {command} {' '.join(rest)}"
        yield Case(line, "no first argument", ("required",))
        line = f"soil-pyg {command} {first} more {' '.join(rest)}"
        yield Case(line, "one argument too many", ("more",))
    yield Case(f"soil-pyg {COMMANDS[command]} --nonsense 3", "an unknown flag", ("--nonsense",))
    yield Case(f"soil-pyg {COMMANDS[command]} -z", "an unknown letter", ("-z",))
    yield Case(f"soil-pyg {command}", "no arguments", ("required",))
