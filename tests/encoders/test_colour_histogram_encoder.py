from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.encoder import Encoder
from soil_pyg.encoders import ColourHistogramEncoder


def encode(folder: Path, *items: str, **options: int) -> np.ndarray:
    encoder = ColourHistogramEncoder(folder, cache=None, **options)
    return encoder.encode(pd.DataFrame({"item": items}))


def test_is_an_encoder() -> None:
    encoder = ColourHistogramEncoder("image", cache=None)
    assert isinstance(encoder, Encoder)
    assert (encoder.name, encoder.version.split(",")[0]) == ("colour-histogram", "4 boxes a colour")


def test_one_colour_is_one_box(tmp_path: Path, picture: Callable[..., Path]) -> None:
    for colour in ("red", "lime", "black", "white"):
        picture(tmp_path / f"{colour}.png", colour)
    x = encode(tmp_path, "red", "lime", "black", "white", "absent")
    assert x.shape == (5, 64)
    assert x.argmax(axis=1).tolist() == [48, 12, 0, 63, 0]
    assert x.sum(axis=1).tolist() == [1, 1, 1, 1, 0]


def test_against_a_count_of_the_pixels(tmp_path: Path, picture: Callable[..., Path]) -> None:
    picture(tmp_path / "tea.png", size=(64, 64))
    picture(tmp_path / "other.png", size=(64, 64))
    pixels = np.random.default_rng(len("tea.png")).integers(256, size=(64, 64, 3))
    expected = np.zeros((3, 3, 3))
    for red, green, blue in pixels.reshape(-1, 3):
        expected[red * 3 // 256, green * 3 // 256, blue * 3 // 256] += 1 / 64**2
    x = encode(tmp_path, "tea", "other", bins=3)
    assert np.allclose(x[0], np.sqrt(expected).reshape(-1))
    assert np.allclose((x**2).sum(axis=1), 1)
    assert 0 < x[0] @ x[1] < 1


@pytest.mark.parametrize("bins", [0, 257])
def test_number_of_boxes(bins: int) -> None:
    with pytest.raises(ValueError, match=rf"'bins' .* 1 and 256 \(got {bins}\)"):
        ColourHistogramEncoder("image", bins)
