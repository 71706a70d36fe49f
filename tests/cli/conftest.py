from collections.abc import Callable

import pytest

from soil_pyg import cli

Refused = Callable[..., str]


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that must fail with a single line on standard error, and returns the line."""

    def run(*argv: object, code: int = 2) -> str:
        capfd.readouterr()
        assert cli.main([str(argument) for argument in argv]) == code
        out, err = capfd.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith(f"soil-pyg {argv[0]}: ")
        return err

    return run
