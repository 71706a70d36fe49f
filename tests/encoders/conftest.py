import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image


@pytest.fixture
def picture() -> Callable[..., Path]:
    """Writes a picture of random pixels, or of one colour."""

    def write(path: Path, colour: str | None = None, size: tuple[int, int] = (40, 30)) -> Path:
        pixels = np.random.default_rng(len(path.name)).integers(256, size=(*size[::-1], 3))
        image = Image.fromarray(pixels.astype(np.uint8))
        if colour is not None:
            image = Image.new("RGB", size, colour)
        image.save(path)
        return path

    return write


@pytest.fixture
def things(tmp_path: Path, picture: Callable[..., Path]) -> pd.DataFrame:
    """Items beside the folder of their pictures: five good, a broken, a cut and an absent one."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("tea.png", "milk.jpg", "17.bmp", "rum.WEBP"):
        picture(folder / name)
    picture(folder / "red.png", "red")
    (folder / "broken.png").write_text("no picture")
    whole = picture(folder / "cut.jpg", size=(200, 200)).read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    items = ["tea", "milk", 17, "rum", "red", "broken", "cut", "absent"]
    titles = ["green tea", "a pint of milk", "seventeen", None, "  ", "", "black tea", "green tea"]
    return pd.DataFrame({"item": items, "title": titles})


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every attempt to connect or to look up a name an error."""

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"an attempt to connect: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
