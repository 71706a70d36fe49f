"""The requests of the page on serving, sent to a server within this process."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import ArgumentParser

from soil_pyg.cli import prepare, serve, train

TEXT = (Path(__file__).parents[2] / "docs" / "serving.rst").read_text("utf-8")
BASE = "http://127.0.0.1:8000"
REQUESTS = re.findall(r"^   \$ curl (.+)\n   (.+)$", TEXT, re.MULTILINE)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("fastapi_offline", reason="the extra 'serve' is not installed")
    import pandas as pd
    from fastapi.testclient import TestClient

    from soil_pyg import prepare as prepare_data
    from soil_pyg import train as train_model
    from soil_pyg.serving.app import create_app
    from soil_pyg.serving.run_link import RunLink
    from soil_pyg.serving.served_run import ServedRun

    folder = tmp_path_factory.mktemp("shop")
    pairs = [(f"u{user}", f"v{user * n % 40}") for user in range(60) for n in range(1, 9)]
    purchases = pd.DataFrame(pairs, columns=["user", "item"]).drop_duplicates()
    ids = sorted(set(purchases["item"]))
    items = pd.DataFrame({"item": ids, "title": [f"thing {item}" for item in ids]})
    prepare_data(purchases, folder / "DATA", items=items)
    options = {"epochs": 1, "hidden_channels": 4, "progress": False, "device": "cpu"}
    train_model(folder / "DATA", folder / "RUN", "lightgcn", **options)
    link = RunLink(folder / "RUN", ServedRun)
    return TestClient(create_app(link), base_url=BASE)


def shape(value: Any) -> Any:
    """Returns what documented and real answers have in common: keys and types."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])]
    return "text or null" if value is None or isinstance(value, str) else "number"


def test_the_page_shows_every_address(client: Any) -> None:
    shown = {shlex.split(line)[0].removeprefix(BASE).partition("?")[0] for line, _ in REQUESTS}
    assert shown == set(client.get("/openapi.json").json()["paths"])


@pytest.mark.parametrize(("line", "shown"), REQUESTS, ids=lambda text: text[:60])
def test_requests_are_answered_as_shown(client: Any, line: str, shown: str) -> None:
    url, *flags = shlex.split(line)
    if flags:
        header, data = flags[flags.index("-H") + 1], flags[flags.index("-d") + 1]
        name, _, value = header.partition(": ")
        answer = client.post(url, content=data, headers={name: value})
    else:
        answer = client.get(url)
    if not shown.startswith("{"):
        assert shown.partition("{")[0] in answer.text
        return
    assert (answer.status_code == 200) == ("error" not in shown)
    if "error" in shown:
        assert answer.json() == json.loads(shown)
        return
    found, expected = answer.json(), json.loads(shown.replace(", ...", ""))
    if "parts" in found:
        found["parts"] = [part for part in found["parts"] if part["kind"] == "interaction"]
    assert shape(found) == shape(expected)


def test_commands_are_understood() -> None:
    lines = re.findall(r"^ +\$ soil-pyg (\w+) (.+)$", TEXT, re.MULTILINE)
    assert [name for name, _ in lines] == ["prepare", "train", "serve", "serve", "serve"]
    for name, line in lines:
        module = {"prepare": prepare, "train": train, "serve": serve}[name]
        parser = ArgumentParser(exit_on_error=False)
        module.add_arguments(parser)
        if name == "train":
            train.add_options(parser, line.split())
        parser.parse_args(line.split())


def test_flags_of_the_text_exist() -> None:
    parser = ArgumentParser(exit_on_error=False)
    serve.add_arguments(parser)
    usage = parser.format_help()
    flags = set(re.findall(r"(?<!`)``(--[a-z-]+)", TEXT))
    assert flags >= {"--host", "--max-k", "--no-graphs", "--poll-seconds", "--root-path"}
    assert {flag for flag in flags if flag not in usage} == set()
