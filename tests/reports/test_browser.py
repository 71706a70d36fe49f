from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soil_pyg.reports.report import report

pytest.importorskip("plotly", reason="the extra 'report' is not installed")

OpenPage = Callable[..., Any]
TAB, ENTER = ("Tab", 9), ("Enter", 13, "\r")
DRAWN = """[...document.querySelectorAll(".plot")].map((plot) => [
    plot.id, plot.querySelectorAll(".main-svg").length > 0,
    plot.querySelectorAll(".trace, .barlayer .point").length,
])"""
GROUND = "getComputedStyle(document.body).backgroundColor"
FIRST_LINE = 'getComputedStyle(document.querySelector(".js-line")).stroke'
LIGHT, DARK = "rgb(245, 246, 248)", "rgb(18, 22, 28)"


@pytest.fixture(scope="module")
def path(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(runs, tmp_path_factory.mktemp("page") / "report.html")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_page(open_page: OpenPage, path: Path, width: int, scheme: str) -> None:
    page = open_page(path, width, scheme)
    assert page.evaluate("document.documentElement.dataset.charts") == "drawn"
    charts = page.evaluate(DRAWN)
    assert len(charts) == 9
    assert all(is_drawn and traces > 0 for _, is_drawn, traces in charts), charts
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(GROUND) == (LIGHT if scheme == "light" else DARK)
    # All that is closed, too.
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    outside = """[...document.querySelectorAll(".item, .card, table")].filter((one) =>
        !one.closest(".scroll") && one.getBoundingClientRect().right > innerWidth).length"""
    assert page.evaluate(outside) == 0
    pictures = "[...document.images].every((one) => one.complete && one.naturalWidth > 0)"
    assert page.evaluate("document.images.length") > 20
    page.wait(pictures)
    assert [url for url in page.requests if not url.startswith("data:")] == [path.as_uri()]
    assert page.errors == []


def test_keyboard(open_page: OpenPage, path: Path) -> None:
    page = open_page(path)
    active = "document.activeElement.id || document.activeElement.className"
    page.press(*TAB)
    assert page.evaluate(active) == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.press(*TAB)
    assert page.evaluate(active) == "theme"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    line = page.evaluate(FIRST_LINE)
    name = "document.activeElement.textContent"
    assert page.evaluate(name) == "Dark theme"
    for ground, other in ((DARK, "Light theme"), (LIGHT, "Dark theme")):
        page.press(*ENTER)
        assert page.evaluate(GROUND) == ground
        assert page.evaluate(name) == other
        page.wait(f"({FIRST_LINE} === {line!r}) === {str(ground == LIGHT).lower()}")
    # The page opens what is closed, too.
    page.evaluate("document.querySelector('figure summary').focus()")
    page.press(*ENTER)
    assert page.evaluate("document.querySelector('figure details').open")
    assert page.errors == []


def test_tables_that_scroll_can_be_reached(open_page: OpenPage, path: Path) -> None:
    page = open_page(path, 390)
    scrolling = """[...document.querySelectorAll(".scroll")].filter(
        (one) => one.scrollWidth > one.clientWidth).map((one) => one.tabIndex)"""
    found = page.evaluate(scrolling)
    assert found
    assert set(found) == {0}


def test_browsers_that_cannot_unpack(open_page: OpenPage, path: Path, tmp_path: Path) -> None:
    text = path.read_text("utf-8").replace("new DecompressionStream", "new NoSuchStream")
    (tmp_path / "old.html").write_text(text, "utf-8")
    page = open_page(tmp_path / "old.html")
    assert page.evaluate("document.documentElement.dataset.charts") == "failed"
    waiting = page.evaluate("document.querySelector('.waiting').textContent")
    assert waiting == "This browser cannot draw the chart. Its numbers are in the table."
