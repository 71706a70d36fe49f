import hashlib
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from soil_pyg.encoders.vector_cache import VectorCache


def digests(*texts: str) -> list[str]:
    return [hashlib.sha256(text.encode()).hexdigest() for text in texts]


def test_round_trip(tmp_path: Path) -> None:
    keys = digests("a", "b", "c")
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    VectorCache(tmp_path / "new", "name", "1").save(keys[:2], x[:2])
    cache = VectorCache(tmp_path / "new", "name", "1")
    cache.save(keys[2:], x[2:])
    assert {key: value.tolist() for key, value in cache.load(keys).items()} == dict(
        zip(keys, x.tolist(), strict=True)
    )
    assert list(cache.load(keys[1:2])) == keys[1:2]
    assert [path.suffix for path in cache.folder.iterdir()] == [".safetensors"] * 2


def test_encoders_have_a_cache_each(tmp_path: Path) -> None:
    keys, x = digests("a"), np.ones((1, 2), dtype=np.float32)
    VectorCache(tmp_path, "a/name with: signs", "1").save(keys, x)
    assert VectorCache(tmp_path, "a/name with: signs", "1").load(keys)
    assert not VectorCache(tmp_path, "a/name with: signs", "2").load(keys)
    assert not VectorCache(tmp_path, "other", "1").load(keys)


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = VectorCache(None, "name", "1")
    cache.save(digests("a"), np.ones((1, 2), dtype=np.float32))
    assert cache.load(digests("a")) == {}
    assert list(tmp_path.iterdir()) == []


def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert VectorCache("auto", "name", "1").folder.parent == tmp_path / "soil_pyg" / "embed"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = VectorCache("auto", "name", "1").folder
    assert folder.parent == tmp_path / "home" / ".cache" / "soil_pyg" / "embed"


@pytest.mark.parametrize("content", [b"", b"no vectors", b"\x08" + b"\0" * 7 + b"{}      "])
def test_damaged_file_counts_as_absent(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = VectorCache(tmp_path, "name", "1")
    x = np.ones((1, 2), dtype=np.float32)
    cache.save(digests("a"), x)
    next(cache.folder.iterdir()).write_bytes(content)
    cache.save(digests("b"), x)
    with caplog.at_level(logging.WARNING):
        assert list(cache.load(digests("a", "b"))) == digests("b")
    assert str(cache.folder) in caplog.text
    cache.save(digests("a"), x)
    assert len(cache.load(digests("a", "b"))) == 2


def test_folder_under_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file"):
        VectorCache(tmp_path / "file", "name", "1")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_may_not_be_written(tmp_path: Path) -> None:
    VectorCache(tmp_path, "name", "1").folder.chmod(0o500)
    with pytest.raises(PermissionError):
        VectorCache(tmp_path, "name", "1")


def test_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: object, target: object) -> None:
        raise OSError(28, "No space left on device", str(target))

    cache = VectorCache(tmp_path, "name", "1")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left on device"):
        cache.save(digests("a"), np.ones((1, 2), dtype=np.float32))
    assert list(cache.folder.iterdir()) == []
