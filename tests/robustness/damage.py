"""Damages a folder of prepared data, runs and results in every way that a disk or a person does."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soil_pyg.utils.files import digest_of
from soil_pyg.utils.records import CHECKSUM

Change = Callable[[Path, random.Random], None]

OTHERS: dict[str, Any] = {
    "{}": {},
    "[]": [],
    "null": None,
    "-1": -1,
    "1e30": 1e30,
    "text": "x",
    "list": [1],
    "huge": 10**13,
    "true": True,
}
"""JSON values that take the place of others."""


@dataclass(frozen=True)
class Damage:
    """A damage of one file.

    Args:
        file: The file, relative to the working directory.
        kind: What is done to it.
        change: Does it, with a generator of its own.
        is_free: Whether the file may hold right values afterwards, which are not those of the run.
    """

    file: str
    kind: str
    change: Change
    is_free: bool = False

    def __str__(self) -> str:
        return f"{self.file} {self.kind}"

    def make(self) -> None:
        """Damages the file in the working directory."""
        self.change(Path(self.file), random.Random(str(self)))


def damages(files: dict[str, str], flips: int, changes: int) -> Iterator[Damage]:
    """Yields all damages of files; each has another file of its kind to be replaced by."""
    for file, other in files.items():
        yield Damage(file, "deleted", lambda path, _: path.unlink())
        yield Damage(file, "a folder", _make_folder)
        yield Damage(file, "garbage", lambda path, rng: _write(path, rng.randbytes(200)))
        for name, share in {"empty": 0.0, "a half": 0.5, "its beginning": 0.01}.items():
            yield Damage(file, f"cut to {name}", _cut(share))
        yield Damage(file, "without its last byte", lambda path, _: _write(path, _read(path)[:-1]))
        yield Damage(file, "with a byte more", lambda path, _: _write(path, _read(path) + b"x"))
        yield Damage(file, f"replaced by {other}", _replaced_by(other))
        for number in range(flips):
            yield Damage(file, f"with flipped bit {number}", _flip)
        if file.endswith(".json"):
            yield from _of_json(file, changes)


def _of_json(file: str, changes: int) -> Iterator[Damage]:
    texts = {
        "deep": "[" * 200_000,
        "large number": '{"format": 1e999}',
        "many digits": '{"format": ' + "1" * 5000 + "}",
        "NaN": '{"format": NaN}',
        "Latin": '{"format": "\xe4"}',
        "null": "null",
        "list": "[]",
        "object": "{}",
        "format alone": '{"format": 1}',
        "format of tomorrow": '{"format": 2}',
    }
    for name, text in texts.items():
        content = text.encode("latin-1")
        yield Damage(file, name, lambda path, _, content=content: _write(path, content))
    for number in range(changes):
        yield Damage(file, f"changed value {number}", _change_value(sealed=False))
        yield Damage(file, f"sealed value {number}", _change_value(sealed=True), is_free=True)


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _make_folder(path: Path, _: random.Random) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").touch()


def _cut(share: float) -> Change:
    def change(path: Path, _: random.Random) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return change


def _replaced_by(other: str) -> Change:
    return lambda path, _: _write(path, Path(other).read_bytes())


def _flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    # Headers are short beside the tensors, but decide more.
    end = len(content) if rng.random() < 0.5 else min(len(content), 500)
    content[rng.randrange(end)] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _change_value(sealed: bool) -> Change:
    def change(path: Path, rng: random.Random) -> None:
        content = json.loads(path.read_text("utf-8"))
        seal = content.pop(CHECKSUM, None)
        places = list(_places(content))
        changed = content
        while changed == content:
            changed = copy.deepcopy(content)
            *parents, last = rng.choice(places)
            value = changed
            for key in parents:
                value = value[key]
            if rng.random() < 0.3:
                del value[last]
            else:
                value[last] = rng.choice(list(OTHERS.values()))
        if seal is not None:
            changed[CHECKSUM] = digest_of(changed) if sealed else seal
        path.write_text(json.dumps(changed), "utf-8")

    return change


def _places(value: Any, *keys: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value[:3])
        for key, element in inner:
            yield (*keys, key)
            yield from _places(element, *keys, key)
