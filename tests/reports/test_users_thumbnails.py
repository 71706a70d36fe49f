import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from soil_pyg.reports.users import SIZE, ItemCards


@pytest.mark.parametrize(
    ("size", "expected"), [((600, 300), (SIZE, SIZE // 2)), ((20, 30), (20, 30))]
)
def test_pictures_become_small(
    tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    Image.new("RGB", size, "red").save(tmp_path / "a.png")
    address = ItemCards(np.arange(1)).thumbnail(str(tmp_path / "a.png"))
    assert address is not None
    head, _, packed = address.partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(packed))) as picture:
        assert picture.size == expected
    assert len(address) < 10_000


def test_what_cannot_be_shown(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"bad")
    cards = ItemCards(np.arange(1))
    paths = [str(tmp_path / "bad.png"), str(tmp_path / "none.png"), "https://example.org/a.png"]
    for _ in range(2):
        assert [cards.thumbnail(path) for path in paths] == [None] * 3
    assert list(cards.unreadable) == paths[:2]
    assert all(cards.unreadable.values())
    assert cards.num_urls == 1
