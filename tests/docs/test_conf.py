import importlib
import inspect
import pkgutil
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import soil_pyg

for name in ("sphinx", "furo", "myst_nb"):
    pytest.importorskip(name, reason="the extra 'docs' is not installed")
DOCS = Path(__file__).parents[2] / "docs"
ROOMS = [f"soil_pyg.{module.name}" for module in pkgutil.iter_modules(soil_pyg.__path__)]
EXPORTING = [room for room in ROOMS if hasattr(importlib.import_module(room), "__all__")]


def build(out: Path, *options: str) -> Path:
    """Builds the documentation into a folder and returns it."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", *options]
    done = subprocess.run(
        [*command, "-d", str(out / "trees"), str(DOCS), str(out)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")
    return out


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Furo takes twice as long for the pages of the source as all the rest.
    return build(tmp_path_factory.mktemp("html"), "-D", "html_theme=basic")


@pytest.fixture(scope="module")
def documented(html: Path) -> dict[str, list[str]]:
    """Returns the names that the page of each room documents."""
    pages = (html / "reference").glob("*.html")
    return {page.stem: re.findall(r'id="(soil_pyg[\w.]*)"', page.read_text()) for page in pages}


def public_objects(room: str) -> list[tuple[str, object]]:
    """Returns the classes and functions that the public modules of a room define."""
    package = importlib.import_module(room)
    found = pkgutil.walk_packages(getattr(package, "__path__", []), f"{room}.")
    names = [room, *(module.name for module in found)]
    return [
        (f"{name}.{attribute}", value)
        for name in names
        if not name.rpartition(".")[2].startswith("_")
        for attribute, value in vars(importlib.import_module(name)).items()
        if not attribute.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == name
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_object_of_a_room_is_there_once(
    documented: dict[str, list[str]], room: str
) -> None:
    exported = {
        id(getattr(importlib.import_module(package), name)): f"{package}.{name}"
        for package in (*EXPORTING, "soil_pyg")
        for name in importlib.import_module(package).__all__
    }
    everything = [name for names in documented.values() for name in names]
    for name, value in public_objects(room):
        assert everything.count(exported.get(id(value), name)) == 1, name


@pytest.mark.parametrize("room", EXPORTING)
def test_what_a_package_exports_is_on_its_page(documented: dict[str, list[str]], room: str) -> None:
    module = importlib.import_module(room)
    names = {name for name in module.__all__ if callable(getattr(module, name))}
    names -= set(soil_pyg.__all__)
    assert {f"{room}.{name}" for name in names} <= set(documented[room.partition(".")[2]])


def test_functions_of_the_package(documented: dict[str, list[str]]) -> None:
    names = set(soil_pyg.__all__) - {"__version__"}
    assert {f"soil_pyg.{name}" for name in names} <= set(documented["package"])


def test_every_room_has_a_page_in_the_order_of_the_map() -> None:
    listed = re.findall(r"^   (\w+)$", (DOCS / "reference/index.rst").read_text(), re.MULTILINE)
    text = (DOCS.parent / "CONTRIBUTING.md").read_text("utf-8")
    table = text.split("| room of `soil_pyg` |")[1].split("\n\n")[0]
    assert listed == ["package", *re.findall(r"^\| `(\w+)(?:/|\.py)` \|", table, re.MULTILINE)]
    assert sorted(listed[1:]) == sorted(room.partition(".")[2] for room in ROOMS)


def test_arguments_and_formulas(html: Path) -> None:
    page = (html / "reference/models.html").read_text("utf-8")
    text = re.sub(r"<[^>]*>", "", page)
    assert "soil_pyg.models.SOIL(num_users, num_items, in_channels=None, *, hidden_ch" in text
    assert not re.search(r"^class soil_pyg.*\(\*args", text, re.MULTILINE)
    assert "<mover" in page
    assert "\\mathbf" not in text


def test_objects_link_to_their_source(html: Path) -> None:
    page = (html / "reference/models.html").read_text("utf-8")
    assert 'href="../_modules/soil_pyg/models/soil.html#SOIL"' in page


LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?P<src>[^"'\s>]+)"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preload|icon|modulepreload))[^>]*"""
    r"""\bhref=["']?(?P<href>[^"'\s>]+)"""
    r"""|(?:@import|url\()\s*["']?(?P<url>https?:[^"')\s]+)"""
)


def loaded(text: str) -> list[str]:
    """Returns what a page or a style sheet loads by itself."""
    return [value for match in LOADED.finditer(text) for value in match.groups() if value]


@pytest.mark.slow
def test_nothing_is_loaded_from_a_network(tmp_path: Path) -> None:
    html = build(tmp_path)
    files = [*html.rglob("*.html"), *html.rglob("*.css")]
    found = {file.name: loaded(file.read_text("utf-8")) for file in files}
    assert len(found) > 40
    assert found["index.html"]
    remote = {name: [x for x in values if "//" in x] for name, values in found.items()}
    assert {name: values for name, values in remote.items() if values} == {}


@pytest.mark.parametrize(
    "text",
    [
        '<script async="async" src="https://x.org/a.js"></script>',
        '<link rel="stylesheet" href="https://x.org/a.js" />',
        '<link href="https://x.org/a.js" rel="preload">',
        "@import 'https://x.org/a.js';",
        "src: url(https://x.org/a.js)",
    ],
)
def test_what_is_loaded_is_found(text: str) -> None:
    assert loaded(text) == ["https://x.org/a.js"]


def test_the_notebooks_are_pages(html: Path) -> None:
    page = (html / "notebooks/quick_start.html").read_text("utf-8")
    assert "from_data" in page


@pytest.mark.parametrize(
    ("formula", "tags"),
    [
        (r"\hat{y}_{ui}", ["msub", "mover", "mi", "mo", "mrow", "mi", "mi"]),
        (r"\Big( \sum_m x \Big)", ["mo", "munder", "mo", "mi", "mi", "mo"]),
        (r"x &= y", ["mtable", "mtr", "mtd", "mi", "mtd", "mo", "mi"]),
        (r"\log x", ["mi", "mo", "mi"]),
    ],
)
def test_formulas_are_mathml(formula: str, tags: list[str]) -> None:
    markup = runpy.run_path(str(DOCS / "conf.py"))["to_mathml"](formula, True)
    assert re.findall(r"<(\w+)", markup)[1:] == tags


def test_bars_keep_their_size() -> None:
    markup = runpy.run_path(str(DOCS / "conf.py"))["to_mathml"](r"\|x\|", False)
    assert markup.count('<mo stretchy="false">‖</mo>') == 2
