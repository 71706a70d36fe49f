import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from soil_bench.paper import command as paper
from soil_bench.paper.command import NAMES, main
from soil_pyg.cli.parser import UsageError


def test_a_name_runs_its_module(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    module = SimpleNamespace(
        add_arguments=lambda parser: parser.add_argument("--size", type=int, default=3),
        run=lambda *values: calls.append(values),
    )
    monkeypatch.setitem(sys.modules, "paper_other", module)
    monkeypatch.setitem(paper.NAMES, "other", ("paper_other", "what it shows"))
    given = ["--dataset", "tiny", "--root", str(root), "--out", str(tmp_path), "--size", "5"]
    assert main(["other", *given]) == 0
    ((experiment, arguments, folder),) = calls
    assert experiment.data["user"].num_nodes == 30
    assert (arguments.size, arguments.seeds) == (5, 3)
    assert folder == tmp_path / "paper"
    with pytest.raises(UsageError, match="--bogus"):
        main(["other", *given, "--bogus", "1"])


@pytest.mark.parametrize("argv", [[], ["table9"], ["--seeds", "3"]])
def test_names_that_are_none(argv: list[str]) -> None:
    with pytest.raises(ValueError, match="'NAME' must be one of table1, table2, table3, figure4"):
        main(argv)


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name, (module, description) in NAMES.items():
        assert re.search(rf"^  {name} +{re.escape(description)}$", text, re.MULTILINE)
        assert module == f"soil_bench.paper.{name}"


@pytest.mark.parametrize("name", ["table1", "table2", "table3"])
def test_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert f"run.py paper {name}" in capsys.readouterr().out
