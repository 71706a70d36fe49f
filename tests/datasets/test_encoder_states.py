from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from soil_pyg import prepare
from soil_pyg.datasets.data_folder import load_description
from soil_pyg.datasets.encoder import Encoder, FittedEncoder
from soil_pyg.datasets.encoder_states import restored
from soil_pyg.encoders import ColourHistogramEncoder, TfidfEncoder

FRAME = pd.DataFrame([(u, i) for u in range(5) for i in "abcd"], columns=["user", "item"])


class Centred:
    """Encodes items as their number less the mean of those it was fitted to."""

    name = "centred"
    version = "1"
    mean: float | None = None

    def encode(self, items: pd.DataFrame) -> np.ndarray:
        number = items["item"].map(ord).to_numpy(float)
        if self.mean is None:
            self.mean = number.mean()
        return (number - self.mean)[:, None]

    def state(self) -> dict[str, Tensor]:
        return {"mean": torch.tensor([self.mean])}

    def restore(self, state: dict[str, Tensor]) -> None:
        if state["mean"].numel() != 1:
            raise ValueError("it has several means")
        self.mean = float(state["mean"])


def test_protocols() -> None:
    for encoder, is_fitted in ((Centred(), True), (TfidfEncoder("title"), True)):
        assert isinstance(encoder, Encoder)
        assert isinstance(encoder, FittedEncoder) == is_fitted
    assert not isinstance(ColourHistogramEncoder("image", cache=None), FittedEncoder)


def test_encoders_come_back_fitted(tmp_path: Path) -> None:
    prepare(FRAME, tmp_path / "DATA", {"x": Centred(), "other name": Centred()})
    sources = {"x": Centred(), "y": Centred(), "file": tmp_path}
    found, others = restored(sources, tmp_path / "DATA")
    assert others == ["y"]
    assert found["file"] is tmp_path
    assert found["y"] is sources["y"]
    assert found["x"].mean == pytest.approx(np.mean([*map(ord, "abcd")]))
    assert sources["x"].mean is None


def test_all_files_have_the_same_readers(tmp_path: Path) -> None:
    prepare(FRAME, tmp_path / "DATA", {"x": Centred()})
    modes = {path.name: path.stat().st_mode for path in (tmp_path / "DATA").iterdir()}
    assert sorted(modes) == ["data.safetensors", "encoders.safetensors", "prepare.json"]
    assert len(set(modes.values())) == 1


def test_folders_without_encoders(tmp_path: Path) -> None:
    prepare(FRAME, tmp_path / "DATA")
    assert list(load_description(tmp_path / "DATA")["files"]) == ["data.safetensors"]
    assert restored({"x": Centred()}, tmp_path / "DATA")[1] == ["x"]


def test_states_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Centred, "state", lambda self: {"mean": torch.zeros(2)})
    prepare(FRAME, tmp_path / "DATA", {"x": Centred()})
    with pytest.raises(ValueError, match=r"encoders\.safetensors' is damaged \(it has several"):
        restored({"x": Centred()}, tmp_path / "DATA")


def test_changed_files(tmp_path: Path) -> None:
    prepare(FRAME, tmp_path / "DATA", {"x": Centred()})
    path = tmp_path / "DATA" / "encoders.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=r"encoders\.safetensors"):
        restored({"x": Centred()}, tmp_path / "DATA")
