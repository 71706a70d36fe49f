import os
from pathlib import Path
from typing import Any

import pytest

from soil_pyg.serving import watched
from soil_pyg.serving.item_files import ItemFiles
from soil_pyg.serving.run_link import RunLink


@pytest.fixture
def link(tmp_path: Path) -> RunLink:
    """A link to the first of two runs, which are loaded as the names of their folders."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    (tmp_path / "current").symlink_to("first")

    def load(folder: Path) -> Any:
        if (folder / "damaged").exists():
            raise ValueError("it is damaged")
        return folder.name

    return RunLink(tmp_path / "current", load)


def exchange(folder: Path, name: str) -> None:
    (folder / "new").symlink_to(name)
    os.replace(folder / "new", folder / "current")


def test_the_run_behind_the_link_is_loaded_once(link: RunLink, tmp_path: Path) -> None:
    assert (link.current, link.refresh(), link.num_loads) == ("first", False, 1)
    exchange(tmp_path, "second")
    assert (link.refresh(), link.current, link.num_loads) == (True, "second", 2)
    assert not link.refresh()


def test_a_run_that_is_trained_again_is_loaded(link: RunLink, tmp_path: Path) -> None:
    (tmp_path / "first" / "run.json").unlink()
    assert (link.refresh(), link.error) == (False, "")
    (tmp_path / "first" / "run.json").write_text("{ }")
    assert link.refresh()


def test_a_damaged_run_is_tried_again(
    link: RunLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "second" / "damaged").touch()
    exchange(tmp_path, "second")
    assert (link.refresh(), link.current, link.error) == (False, "first", "it is damaged")
    (tmp_path / "second" / "damaged").unlink()
    assert not link.refresh()
    monkeypatch.setattr(watched, "RETRY_SECONDS", 0.0)
    assert (link.refresh(), link.current, link.error) == (True, "second", "")


def test_a_link_to_nothing_is_named_and_the_old_run_stays(
    tmp_path: Path, link: RunLink, caplog: pytest.LogCaptureFixture
) -> None:
    def load(folder: Path) -> Any:
        return (folder / "run.json").read_text() and folder.name

    link = RunLink(tmp_path / "current", load)
    exchange(tmp_path, "nowhere")
    assert (link.refresh(), link.current) == (False, "first")
    assert "nowhere" in link.error
    assert caplog.text.count("the old run stays") == 1
    assert not link.refresh()
    exchange(tmp_path, "second")
    assert (link.refresh(), link.current, link.error) == (True, "second", "")


class Run:
    """A run that notes the items that it is told to offer, or refuses those named no item."""

    def __init__(self, folder: Path) -> None:
        self.offered: list[list[str]] = []

    def offer(self, ids: dict[str, Any]) -> None:
        if "nothing" in ids["deny_file"]:
            raise ValueError("no item")
        self.offered.append(ids["deny_file"].tolist())


def test_files_are_read_again_and_broken_ones_leave_the_old(link: RunLink, tmp_path: Path) -> None:
    file = tmp_path / "sold_out.txt"
    file.write_text("tea\n")
    link = RunLink(tmp_path / "current", Run, ItemFiles(deny=file))  # type: ignore[arg-type]
    first: Any = link.current
    assert (first.offered, link.refresh()) == ([["tea"]], False)
    for broken in ("nothing\n", None):
        file.unlink() if broken is None else file.write_text(broken)
        assert (link.refresh(), bool(link.error), first.offered) == (False, True, [["tea"]])
    # A run that takes the place begins with the items of the last file that could be read.
    exchange(tmp_path, "second")
    second: Any = link.current if link.refresh() else None
    assert (second.offered, bool(link.error)) == ([["tea"]], True)
    file.write_text("rum\nmilk\n")
    assert (link.refresh(), link.current, link.error) == (False, second, "")
    assert (first.offered, second.offered) == ([["tea"]], [["tea"], ["rum", "milk"]])


class Items(Run):
    """A run that has the item of its name alone."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.name = folder.name

    def offer(self, ids: dict[str, Any]) -> None:
        if self.name not in ids["allow_file"]:
            raise ValueError("no item of the run")
        self.offered.append(ids["allow_file"].tolist())


@pytest.mark.parametrize("is_at_once", [True, False])
@pytest.mark.parametrize("is_run_first", [True, False])
def test_a_run_and_its_items_are_exchanged_together(
    link: RunLink, tmp_path: Path, is_at_once: bool, is_run_first: bool
) -> None:
    file = tmp_path / "shop.txt"
    file.write_text("first\n")
    link = RunLink(tmp_path / "current", Items, ItemFiles(file))  # type: ignore[arg-type]
    first: Any = link.current
    changes = [
        lambda: exchange(tmp_path, "second"),
        lambda: file.write_text("second\nother\n") and None,
    ]
    for number, change in enumerate(changes if is_run_first else changes[::-1]):
        change()
        if not is_at_once and number == 0:
            assert (link.refresh(), link.current) == (False, first)
            assert "no item of the run" in link.error
    link.refresh()
    second: Any = link.current
    assert (second.name, second.offered, link.error) == ("second", [["second", "other"]], "")
    assert first.offered == [["first"]]


def test_a_run_that_fits_only_the_items_in_force_is_served(link: RunLink, tmp_path: Path) -> None:
    file = tmp_path / "shop.txt"
    file.write_text("first\nsecond\n")
    link = RunLink(tmp_path / "current", Items, ItemFiles(file))  # type: ignore[arg-type]
    exchange(tmp_path, "second")
    file.write_text("wrong\n")
    assert link.refresh()
    second: Any = link.current
    assert (second.offered, link.error) == ([["first", "second"]], "no item of the run")


def test_a_broken_file_is_refused_at_the_start(link: RunLink, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="'deny_file'"):
        RunLink(tmp_path / "current", Run, ItemFiles(deny=tmp_path / "missing"))  # type: ignore[arg-type]
