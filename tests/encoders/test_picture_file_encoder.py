import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from soil_pyg.encoders.picture_file_encoder import PictureFileEncoder


class MeanColour(PictureFileEncoder):
    """The mean colour of pictures, with counts of what is done."""

    name = "mean-colour"
    version = "1"

    def __init__(self, source: object, batch_size: int = 3, cache: Path | None = None) -> None:
        super().__init__(source, None, batch_size, cache)
        self.num_prepared, self.batches, self.loads = 0, [], 0
        self.interrupt_at = -1
        self.lock = threading.Lock()

    def load(self) -> None:
        self.loads += 1

    def prepare(self, image: Image.Image) -> np.ndarray:
        with self.lock:
            self.num_prepared += 1
        return np.asarray(image).mean(axis=(0, 1)) + 1

    def encode_batch(self, prepared: list[np.ndarray]) -> np.ndarray:
        if len(self.batches) == self.interrupt_at:
            raise KeyboardInterrupt
        self.batches.append(len(prepared))
        return np.stack(prepared)


def test_unreadable_among_good_ones(things: pd.DataFrame, tmp_path: Path) -> None:
    encoder = MeanColour(tmp_path / "pictures")
    x = encoder.encode(things)
    assert x.any(axis=1).tolist() == [True] * 5 + [False] * 3
    assert x[4].tolist() == [256, 1, 1]
    assert encoder.num_skipped == 2
    assert encoder.skipped[0] == "broken.png (not a picture)"
    assert encoder.skipped[1].startswith("cut.jpg (")
    encoder.encode(things[:3])
    assert (encoder.num_skipped, encoder.skipped) == (0, [])


def test_ten_names_then_a_count(tmp_path: Path, picture: Callable[..., Path]) -> None:
    names = [f"{i:02}.png" for i in range(14)]
    for name in names[:-1]:
        (tmp_path / name).write_text("the same for all")
    picture(tmp_path / names[-1])
    encoder = MeanColour(tmp_path)
    x = encoder.encode(pd.DataFrame({"item": [f"{i:02}" for i in range(14)]}))
    assert x.any(axis=1).sum() == 1
    assert encoder.num_skipped == 13
    assert encoder.skipped == [*(f"{name} (not a picture)" for name in names[:10]), "and 3 more"]


def test_files_that_are_not_there_are_skipped(tmp_path: Path, picture: Callable[..., Path]) -> None:
    (tmp_path / "folder.png").mkdir()
    values = [str(picture(tmp_path / "tea.png")), str(tmp_path / "milk.png"), None]
    values += [str(tmp_path / "folder.png"), "http://host/a.png", "a\0b.png"]
    encoder = MeanColour("image")
    x = encoder.encode(pd.DataFrame({"item": range(6), "image": values}))
    assert x.any(axis=1).tolist() == [True] + [False] * 5
    assert encoder.skipped == [
        "milk.png (No such file or directory)",
        "folder.png (Is a directory)",
        "a.png (No such file or directory)",
        "a\0b.png (embedded null byte)",
    ]


def test_all_unreadable(things: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r" 2 .*pictures'.*broken.png \(not a picture\)"):
        MeanColour(tmp_path / "pictures").encode(things[5:])


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_batch_size_does_not_matter(things: pd.DataFrame, tmp_path: Path, batch_size: int) -> None:
    x = MeanColour(tmp_path / "pictures", batch_size).encode(things)
    assert np.array_equal(x, MeanColour(tmp_path / "pictures").encode(things))


def test_no_work_is_done_twice(
    things: pd.DataFrame, tmp_path: Path, picture: Callable[..., Path]
) -> None:
    folder, cache = tmp_path / "pictures", tmp_path / "cache"
    things = things[:5]
    first = MeanColour(folder, batch_size=2, cache=cache)
    first.interrupt_at = 1
    with pytest.raises(KeyboardInterrupt):
        first.encode(things)
    assert first.batches == [2]
    second = MeanColour(folder, batch_size=2, cache=cache)
    x = second.encode(things)
    assert second.batches == [2, 1]
    third = MeanColour(folder, batch_size=2, cache=cache)
    assert np.array_equal(third.encode(things), x)
    assert (third.num_prepared, third.loads) == (0, 0)
    # Another content under the same name, and the same content under another.
    picture(folder / "tea.png", "blue")
    (folder / "red.png").rename(folder / "rouge.png")
    fourth = MeanColour(folder, batch_size=2, cache=cache)
    things = things.assign(item=["tea", "milk", 17, "rum", "rouge"])
    assert fourth.encode(things)[[0, 4]].tolist() == [[1, 1, 256], [256, 1, 1]]
    assert fourth.num_prepared == 1


def test_cache_that_cannot_be_written(things: pd.DataFrame, tmp_path: Path) -> None:
    encoder = MeanColour(tmp_path / "pictures", cache=tmp_path / "pictures" / "tea.png")
    with pytest.raises(OSError, match=r"tea\.png"):
        encoder.encode(things)
    assert encoder.num_prepared == 0


def test_batch_size() -> None:
    with pytest.raises(ValueError, match=r"'batch_size' .*\(got 0\)"):
        MeanColour("image", batch_size=0)


def test_pillow_prints_no_warnings(
    things: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures between one and two limits are read, larger ones are skipped."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 30 - 1)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        encoder = MeanColour(tmp_path / "pictures")
        assert encoder.encode(things)[:5].any(axis=1).all()
    assert shown == []
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.raises(ValueError, match="decompression bomb"):
        encoder.encode(things)
