import configparser
import re
import shlex
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import soil_pyg
from soil_pyg.cli import main
from soil_pyg.models.soil_graphs import SOILGraphs

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def names(lines: str) -> list[str]:
    """Returns the names of packages in lines such as "torch>=2.6"."""
    return [re.split(r"[<>=;\s]", line)[0] for line in lines.split("\n") if line.strip()]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def examples(page: str) -> list[str]:
    """Returns the examples in Python of a page of the documentation."""
    text = (ROOT / "docs" / f"{page}.rst").read_text("utf-8")
    found = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def test_version_is_in_one_place() -> None:
    assert setup_cfg()["metadata"]["version"] == "attr: soil_pyg.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+", soil_pyg.__version__)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == soil_pyg.__version__
    assert citation["preferred-citation"]["doi"] == "10.1145/3664647.3681207"


def test_requirements() -> None:
    config = setup_cfg()
    requires = config["options"]["install_requires"].split()
    assert "torch>=2.6" in requires
    assert not [line for line in requires if re.search("[<~!]|==", line)]
    assert config["options"]["python_requires"] == ">=3.10"


def test_extras() -> None:
    extras = {extra: names(lines) for extra, lines in setup_cfg()["options.extras_require"].items()}
    assert extras["cpu"] == ["faiss-cpu"]
    assert extras["gpu"] == ["faiss-gpu"]
    assert extras["gpu-cuvs"] == ["faiss-gpu-cuvs"]
    assert extras["scatter"] == ["torch-scatter"]
    assert {"pytest", "hypothesis", "ruff", "mypy"} <= set(extras["test"])


def test_every_dependency_has_its_reason() -> None:
    config = setup_cfg()
    required = names(config["options"]["install_requires"])
    for extra in config["options.extras_require"].values():
        required += names(extra)
    page = (ROOT / "docs" / "dependencies.rst").read_text("utf-8")
    reasons = dict(re.findall(r"^   \* - (.+)\n     - (.+)$", page, re.MULTILINE))
    del reasons["package"]
    assert sorted(reasons) == sorted(set(required))


def test_constraints_pin_every_direct_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert pins["torch"] == "2.13.0"
    config = setup_cfg()
    required = names(config["options"]["install_requires"])
    extras = "cpu test bench cluster ray tensorboard embed timm report serve"
    for extra in extras.split():
        required += names(config["options.extras_require"][extra])
    assert sorted(pins) == sorted(set(required))


def test_the_tested_versions_are_said() -> None:
    pins = (ROOT / "constraints.txt").read_text("utf-8")
    for name in ("torch", "torch-geometric"):
        version = re.search(rf"^{name}==(.+)$", pins, re.MULTILINE)
        assert f"{name} {version[1]}" in (ROOT / "docs" / "dependencies.rst").read_text("utf-8")


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_readme_has_one_command_for_the_job_and_one_for_the_tests() -> None:
    job, tests = blocks("bash")
    install = (
        'python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e ".[cpu,test]" && '
    )
    assert job == f"{install}.venv/bin/python benchmarks/run.py\n"
    assert tests == f"{install}.venv/bin/python -m pytest -n auto\n"


def test_readme_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples as they stand, but on less data and for one epoch."""
    (example,), (options,) = blocks("python"), examples("large_data")
    smaller = {"SyntheticMultimodal()": "SyntheticMultimodal(100, 60)", "epochs=20": "epochs=1"}
    for old, new in smaller.items():
        assert old in example
        example = example.replace(old, new)
    monkeypatch.chdir(tmp_path)
    namespace: dict = {}
    exec(example, namespace)
    exec(options, namespace)
    assert isinstance(namespace["graphs"], SOILGraphs)
    assert namespace["scores"].size() == (100, 60)
    assert namespace["trained"].metrics["test"] == namespace["result"].test


@pytest.fixture
def own_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables of a small shop, in the working directory."""
    rng = np.random.default_rng(0)
    items = [f"v{number}" for number in range(40)]
    pairs = [(f"u{user}", f"v{item}") for user in range(60) for item in rng.permutation(40)[:6]]
    pd.DataFrame(pairs, columns=["user", "item"]).to_csv(tmp_path / "purchases.csv", index=False)
    titles = pd.DataFrame({"item": items, "title": [f"thing {item}" for item in items]})
    titles.to_csv(tmp_path / "items.csv", index=False)
    np.save(tmp_path / "visual.npy", rng.normal(size=(40, 8)).astype(np.float32))
    sounds = list(rng.normal(size=(40, 5)).astype(np.float32))
    pd.DataFrame({"item": items, "x": sounds}).to_parquet(tmp_path / "acoustic.parquet")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("own_tables")
def test_readme_path_of_own_data_as_commands(capfd: pytest.CaptureFixture[str]) -> None:
    """The commands as they stand, but for one epoch."""
    commands = next(text for text in blocks("console") if "soil-pyg prepare" in text)
    lines = commands.replace("\\\n", "").replace("--epochs 30", "--epochs 1").splitlines()
    assert len(lines) == 10
    for line in lines:
        program, *arguments = shlex.split(line.removeprefix("$ "), comments=True)
        assert program == "soil-pyg"
        assert main(arguments) == 0, line
    output = capfd.readouterr().out
    assert "recall@20" in output
    assert len(pd.read_parquet("top.parquet")) == 60 * 20
    assert "thing v" in Path("report.html").read_text("utf-8")
    with open("purchases.csv", "a") as file:
        file.writelines(f"new{user},v{item}\n" for user in range(5) for item in range(8))
    next_week = next(text for text in blocks("console") if "--like" in text)
    lines = next_week.replace("\\\n", "").replace("--init", "--epochs 1 --init").splitlines()
    for line in lines:
        assert main(shlex.split(line)[2:]) == 0, line
    output = capfd.readouterr()
    assert "recall@20" in output.out
    assert "kept     240 train, 60 val, 60 test pairs" in output.err
    assert "Left out" not in output.err


@pytest.mark.usefixtures("own_tables")
def test_path_of_own_data_in_python() -> None:
    """The example as it stands, but for one epoch."""
    example = examples("own_data")[0]
    assert "epochs=30" in example
    namespace: dict = {}
    exec(example.replace("epochs=30", "epochs=1"), namespace)
    assert namespace["top"]["user"].tolist() == ["u0"] * 5 + ["u1"] * 5
    assert namespace["prepared"]["counts"]["users"] == 60
    assert Path("report.html").stat().st_size > 10**6


def test_paths_in_contributing_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    pattern = (
        r"`((?:soil_pyg|benchmarks|tests|docs|data|examples|\.ci)/[^\s`]*|[\w.]+\.(?:md|toml))"
    )
    paths = {path for path in re.findall(pattern, text) if "<" not in path}
    assert "benchmarks/run.py" in paths
    made_later = {"docs/_build"}
    assert {path for path in paths - made_later if not (ROOT / path).exists()} == set()


def test_links_in_the_readme_exist() -> None:
    links = [link for link in re.findall(r"\]\((.+?)\)", README) if "://" not in link]
    assert "CITATION.cff" in links
    assert [link for link in links if not (ROOT / link).exists()] == []
