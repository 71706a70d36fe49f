import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the extra 'docs' is not installed")
DOCS = Path(__file__).parents[2] / "docs"
PACKAGES = ["models", "nn", "transforms", "datasets", "embed"]


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("html")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(out / "trees"), str(DOCS), str(out)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")
    return out


@pytest.mark.parametrize("name", PACKAGES)
def test_all_that_a_package_offers_is_there(html: Path, name: str) -> None:
    page = (html / f"{name}.html").read_text("utf-8")
    for public in importlib.import_module(f"soil_pyg.{name}").__all__:
        assert f'id="soil_pyg.{name}.{public}"' in page


def test_functions_of_the_package(html: Path) -> None:
    page = (html / "path.html").read_text("utf-8")
    for public in importlib.import_module("soil_pyg").__all__:
        assert public == "__version__" or f'id="soil_pyg.{public}"' in page


def test_arguments_and_formulas(html: Path) -> None:
    page = (html / "models.html").read_text("utf-8")
    text = re.sub(r"<[^>]*>", "", page)
    assert "soil_pyg.models.SOIL(num_users, num_items, in_channels=None, *, hidden_ch" in text
    assert not re.search(r"^class soil_pyg.*\(\*args", text, re.MULTILINE)
    assert r"\hat{y}_{ui} = \mathbf{f}_u^{\top} \mathbf{f}_i" in text
