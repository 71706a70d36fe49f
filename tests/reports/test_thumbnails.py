import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from soil_pyg.reports.thumbnails import SIZE, Thumbnails


@pytest.mark.parametrize(
    ("size", "expected"), [((600, 300), (SIZE, SIZE // 2)), ((20, 30), (20, 30))]
)
def test_pictures_become_small(
    tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    Image.new("RGB", size, "red").save(tmp_path / "a.png")
    address = Thumbnails().make(str(tmp_path / "a.png"))
    assert address is not None
    head, _, packed = address.partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(packed))) as picture:
        assert picture.size == expected
    assert len(address) < 10_000


def test_what_cannot_be_shown(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"bad")
    thumbnails = Thumbnails()
    paths = [str(tmp_path / "bad.png"), str(tmp_path / "none.png"), "https://example.org/a.png"]
    for _ in range(2):
        assert [thumbnails.make(path) for path in paths] == [None] * 3
    assert thumbnails.unreadable == {
        paths[0]: "it is no picture",
        paths[1]: "No such file or directory",
    }
    assert thumbnails.num_addresses == 1
