import re
from importlib.resources import files

import pytest

STYLE = files("soil_pyg.reports").joinpath("style.css").read_text("utf-8")
COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", STYLE)
}
TEXTS = [
    *[(text, ground) for text in ("text", "muted", "accent") for ground in ("page", "surface")],
    *[("text", "accent-soft"), ("muted", "accent-soft")],
    *[("text", "good-soft"), ("muted", "good-soft"), ("good", "good-soft"), ("good", "surface")],
]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str, theme: int) -> float:
    values = sorted(luminance(COLOURS[name][theme]) for name in (first, second))
    return (values[1] + 0.05) / (values[0] + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXTS)
def test_texts_have_contrast_aa(text: str, ground: str, theme: int) -> None:
    assert contrast(text, ground, theme) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_series_stand_out_from_the_ground(theme: int) -> None:
    for series in range(1, 7):
        assert contrast(f"series-{series}", "surface", theme) >= 3


def test_nothing_is_loaded_from_elsewhere() -> None:
    assert "url(" not in STYLE
    assert "@import" not in STYLE
