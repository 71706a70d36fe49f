"""The page "Your own model": its files are written, its code is run, its promises are checked."""

import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import soil_pyg
from soil_pyg.cli import main

pytest.importorskip("plotly", reason="the extra 'report' is not installed")
PAGE = Path(__file__).parents[2] / "docs" / "own_model.rst"
BLOCK = re.compile(
    r"^\.\. code-block:: (?:python|yaml)\n(?:   :caption: (\S+)\n)?\n((?:   .*\n|\n)+)",
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The names of the page after all its code has run in a folder of its own."""
    folder = tmp_path_factory.mktemp("own_model")
    names: dict[str, Any] = {"folder": folder}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        for caption, code in BLOCK.findall(PAGE.read_text("utf-8")):
            text = textwrap.dedent(code)
            if caption:
                (folder / caption).write_text(text, "utf-8")
            else:
                exec(compile(text, PAGE.name, "exec"), names)
        yield names
    for module in ("factors", "smoothed"):
        sys.modules.pop(module, None)


def group(name: str) -> int:
    return int(name[1:]) % 3


def test_twenty_lines_are_a_model(page: dict[str, Any]) -> None:
    code = (page["folder"] / "factors.py").read_text()
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    assert page["result"].test["recall@20"] > 0.9
    for frame, column in [(page["top"], "item"), (page["near"], "similar")]:
        assert {group(item) for item in frame[column]} == {0}


def test_newcomers(page: dict[str, Any]) -> None:
    trained = page["trained"]
    assert (trained.item_id[-1], trained.user_id[-1]) == ("new", "zoe")
    known = [trained.item_id.tolist().index(name) for name in ("i3", "i6", "new")]
    torch.testing.assert_close(trained.user_emb[-1], trained.item_emb[known].mean(dim=0))
    assert {group(item) for item in page["top_of_zoe"]["item"]} == {0}


def test_report(page: dict[str, Any]) -> None:
    assert "Factors" in (page["folder"] / page["page"]).read_text("utf-8")


def test_explain_says_which_method_is_missing(page: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Factors.*'decompose'"):
        soil_pyg.explain("RUN", "u0", "i3")


def test_options_profile_and_settings_file(page: dict[str, Any]) -> None:
    settings = json.loads((page["folder"] / "RUN2" / "run.json").read_text())["settings"]
    expected = {"weight": 0.1, "k": 8, "hidden_channels": 32, "lr": 0.005}
    assert {name: settings[name] for name in expected} == expected


def test_explanation(page: dict[str, Any]) -> None:
    found = page["explanation"]
    assert found.total == pytest.approx(found.score, abs=1e-5)
    assert found.parts["item_modality"].tolist() == ["content", "text"]


def test_command(page: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    flags = ["--model", "smoothed:Smoothed", "--weight", "0.3", "--k", "4", "--epochs", "1"]
    assert main(["train", "DATA", "--out", "RUN3", "--profile", "strong", *flags]) == 0
    options = soil_pyg.load("RUN3").settings
    assert (options["weight"], options["k"]) == (0.3, 4)
    assert main(["recommend", "RUN3", "--users", "u0", "--k", "3"]) == 0
    assert "u0" in capfd.readouterr().out


def test_graphs_are_built_only_for_the_hook_that_needs_them(
    page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from smoothed import Smoothed

    def refuse(cls: type, k: int = 10) -> None:
        raise AssertionError("the graphs were built")

    monkeypatch.setattr(Smoothed, "graph_transform", classmethod(refuse))
    monkeypatch.setattr(
        "soil_pyg.workflow.run_data.run_transform", lambda trained: refuse(Smoothed)
    )
    trained = soil_pyg.load("RUN2")
    larger = soil_pyg.add_items(trained, "DATA", {"text": np.ones((1, 3))}, ["other"])
    larger = soil_pyg.add_users(larger, "DATA", page["zoe"].replace("new", "other"))
    assert larger.user_id[-1] == "zoe"
