import builtins
import json
import logging
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from torch_geometric.data import HeteroData

import soil_pyg
from soil_pyg.models import BPR
from soil_pyg.reports.report import report
from soil_pyg.training.trainer import Trainer

pytest.importorskip("plotly", reason="the extra 'report' is not installed")
EMPTY = "Left out, as the data of the run was not found."


class Outline(HTMLParser):
    """The headings, ids and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def values(self, name: str, tag: str | None = None) -> list[str]:
        found = [a[name] for t, a in self.tags if name in a and tag in (None, t)]
        return [value or "" for value in found]


@pytest.fixture(scope="module")
def page(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page") / "report.html"
    assert report(runs, out) == out
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]
    return out.read_text("utf-8")


def without_code(page: str) -> str:
    return re.sub(r'<script type="text/plain".*?</script>', "", page, flags=re.DOTALL)


def test_it_is_exported() -> None:
    assert soil_pyg.report is report


def test_structure(page: str) -> None:
    outline = Outline(without_code(page))
    ids = outline.values("id")
    assert len(ids) == len(set(ids))
    links = outline.values("href", "a")
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert links[0] == "#main"
    headings = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(headings))
    tables = sum(tag == "table" for tag, _ in outline.tags)
    assert tables == sum(tag == "caption" for tag, _ in outline.tags) > 10
    heads = [attributes for tag, attributes in outline.tags if tag == "th"]
    assert all(attributes.get("scope") in ("col", "row") for attributes in heads)
    pictures = [attributes for tag, attributes in outline.tags if tag == "img"]
    assert pictures
    assert all(attributes["alt"] for attributes in pictures)


def test_nothing_is_loaded(page: str) -> None:
    outline = Outline(without_code(page))
    for name in ("src", "srcset", "href", "action", "data", "poster"):
        assert all(value.startswith(("#", "data:")) for value in outline.values(name))
    assert "https://example.org" not in page
    assert len(page) < 3_000_000


def test_texts_of_the_data_are_escaped(page: str) -> None:
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &lt;b&gt;milk&lt;/b&gt;" in page
    assert "<i>shop" not in page
    assert "4 runs on &lt;i&gt;shop" in page
    scripts = [a.get("type") for tag, a in Outline(page).tags if tag == "script"]
    assert scripts.count(None) == 1


def test_charts_are_json(page: str) -> None:
    specs = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert len(specs) == 9
    assert all({"data", "layout"} <= set(json.loads(spec)) for spec in specs)


def test_numbers_of_the_runs(page: str, runs: Path) -> None:
    values = [soil_pyg.load(runs / f"soil {seed}").metrics["test"] for seed in (0, 1)]
    mean = sum(value["recall@20"] for value in values) / 2
    assert f"{mean:.4f}" in page
    assert "of 40 items" not in page
    assert "Unreadable pictures: 1<" in page or "0.png" not in page


def test_one_run(runs: Path, tmp_path: Path) -> None:
    page = report(runs / "popularity", tmp_path / "a.html", num_users=2).read_text("utf-8")
    assert "Popularity on" in page
    assert 'id="val-curves"' not in page
    assert page.count('<details class="card user"') == 2
    assert "Second-order items</h3>" not in page


def test_users_that_are_asked_for(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.html"
    page = report(runs / "soil 0", out, users=[7, "3"]).read_text("utf-8")
    assert re.findall(r"<summary><b>(\w+)</b>", page) == ["7", "3"]
    assert "Second-order items</h3>" in page
    with pytest.raises(ValueError, match=r"'users'.*'zed'"):
        report(runs / "soil 0", out, users=["zed"])
    page = report(runs / "soil 0", out, num_users=0).read_text("utf-8")
    assert '<details class="card user"' not in page
    assert EMPTY not in page


def test_a_table_of_users_has_the_column_of_the_data(tmp_path: Path) -> None:
    pairs = [(user, item) for user in range(8) for item in range(12) if (user + item) % 3]
    frame = pd.DataFrame(pairs, columns=["customer", "item"])
    soil_pyg.prepare(frame, tmp_path / "data", user_column="customer")
    soil_pyg.train(tmp_path / "data", tmp_path / "run", "bpr", epochs=1, progress=False)
    (tmp_path / "users.csv").write_text("customer\n7\n3\n")
    page = report(tmp_path / "run", tmp_path / "a.html", users=tmp_path / "users.csv")
    assert re.findall(r"<summary><b>(\w+)</b>", page.read_text("utf-8")) == ["7", "3"]


def test_data_that_has_moved(
    runs: Path,
    shop: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    edit_run: Callable[..., None],
) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs / "soil 0", run)
    settings = json.loads((run / "run.json").read_text("utf-8"))["settings"]
    edit_run(run, settings=settings | {"data": str(tmp_path / "gone")})
    out = tmp_path / "a.html"
    with caplog.at_level(logging.WARNING, "soil_pyg"):
        page = report(run, out).read_text("utf-8")
    assert str(tmp_path / "gone") in caplog.text
    assert page.count(EMPTY) == 4
    with pytest.raises(ValueError, match=r"'users'.*gone'"):
        report(run, out, users=[7])
    assert EMPTY not in report(run, out, data=shop).read_text("utf-8")
    with pytest.raises(FileNotFoundError, match="gone'"):
        report(run, out, data=tmp_path / "gone")


def test_runs_that_tell_neither_data_nor_graphs(
    random_data: Callable[..., HeteroData], tmp_path: Path
) -> None:
    data, out = random_data(), tmp_path / "a.html"
    run = tmp_path / "run"
    trainer = Trainer(epochs=1, progress=False, accelerator="cpu", ks=(20,))
    trainer.fit(BPR(30, 40, hidden_channels=4), data, out=run, test=False)
    page = report(run, out).read_text("utf-8")
    assert "&#39;data&#39; (--data)" in page
    page = report(run, out, data=data).read_text("utf-8")
    assert "Val recall@20" in page
    assert "Test recall@20" not in page
    assert "The items have no features." in page
    assert EMPTY not in page
    with pytest.raises(ValueError, match="digest 1"):
        report(run, out, data=random_data(seed=1))


def test_graphs_of_large_data_are_left_out(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soil_pyg.reports.report.MAX_ITEMS", 39)
    page = report(runs / "soil 0", tmp_path / "a.html").read_text("utf-8")
    assert "more than 39 items" in page


def test_interrupted_and_unfinished_runs(
    runs: Path, tmp_path: Path, edit_run: Callable[..., None]
) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(runs / "soil 0", folder / "a")
    edit_run(folder / "a", finished=False)
    (folder / "b").mkdir()
    (folder / "b" / "state.safetensors").write_bytes(b"")
    page = report(folder, tmp_path / "a.html").read_text("utf-8")
    assert "<code>a</code>: interrupted" in page
    assert "<code>b</code>: left out" in page


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ("report.pdf", ValueError, r"'out' \(--out\).*report\.pdf'"),
        ("folder.html", ValueError, r"'out' \(--out\).*folder\.html'"),
        ("none/a.html", FileNotFoundError, r"'out' \(--out\).*none/a\.html'"),
    ],
)
def test_places_that_cannot_be_written(
    runs: Path, tmp_path: Path, out: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(error, match=message):
        report(runs / "soil 0", tmp_path / out)


def test_nothing_is_left_behind(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.html"
    out.write_text("old")

    def fail(*arguments: Any) -> None:
        raise PermissionError(13, "Permission denied", str(arguments[0]))

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(PermissionError) as caught:
        report(runs / "popularity", out)
    assert caught.value.filename == str(out)
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
    assert out.read_text() == "old"


def test_without_the_extra(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_plotly(name: str, *arguments: Any) -> Any:
        if name.startswith("plotly"):
            raise ImportError(name, name="plotly")
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_plotly)
    with pytest.raises(ImportError, match=r"'plotly'.*pip install .*\[report\]"):
        report(runs, tmp_path / "a.html")


def test_num_users(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'num_users'.*\(got -1\)"):
        report(runs, tmp_path / "a.html", num_users=-1)
