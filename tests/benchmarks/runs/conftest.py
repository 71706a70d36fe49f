from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module that processes can run."""

    def write_module(text: str) -> str:
        (tmp_path / "process_module.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return "process_module"

    return write_module
