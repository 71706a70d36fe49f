import struct
from pathlib import Path

import pytest

from soil_bench.paper.pictures import picture, short_id

pytest.importorskip("matplotlib")


def draw(path: Path) -> None:
    with picture(path, height=2.0, width=3.4) as figure:
        axes = figure.subplots()
        axes.plot([1, 2], label="line")
        axes.set(xlabel="$k$")
        axes.legend()
        sizes = [axes.xaxis.label, *axes.get_xticklabels(), *axes.get_legend().get_texts()]
        assert {text.get_fontsize() for text in sizes} == {8}


def test_both_files_in_the_size_of_the_page(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "figure-of.a-name"
    draw(path)
    content = path.with_name("figure-of.a-name.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">II", content[16:24]) == (680, 400)
    pdf = path.with_name("figure-of.a-name.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    # Embedded as TrueType, not as Type 3.
    assert b"/Type3" not in pdf
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".pdf", ".png"]
    draw(path)
    assert path.with_name("figure-of.a-name.pdf").read_bytes() == pdf


def test_nothing_is_written_if_drawing_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="as told"), picture(tmp_path / "a", height=2.0):
        raise RuntimeError("as told")
    assert list(tmp_path.iterdir()) == []


def test_long_ids_are_cut() -> None:
    assert short_id(12345) == "12345"
    assert short_id("B00123456") == "…3456"
    assert short_id("B00123456", most=9) == "B00123456"
