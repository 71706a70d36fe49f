"""The cases of all golden files, by the name of the file."""

from importlib import import_module
from pathlib import Path

from parity_case import Case

FOLDER = Path(__file__).parent / "cases"

CASES: dict[str, Case] = {
    path.stem: import_module(f"cases.{path.stem}").CASE for path in sorted(FOLDER.glob("*.py"))
}
