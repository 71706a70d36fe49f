"""What every data set of the package has to do, whatever it holds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soil_pyg.datasets import MultimodalDataset, SyntheticMultimodal, TableDataset, TikTok
from soil_pyg.testing import check_dataset

USERS = np.repeat(np.arange(6), 10)
FRAME = pd.DataFrame({"user": USERS, "item": np.arange(60) % 10})


def test_folders(layout: Callable[..., Path]) -> None:
    check_dataset(MultimodalDataset, layout(image=np.eye(4)), "toy")


@pytest.mark.parametrize("is_stored", [True, False])
def test_tables(tmp_path: Path, is_stored: bool) -> None:
    text = np.eye(10), list(range(10))
    check_dataset(TableDataset, FRAME, {"text": text}, root=tmp_path if is_stored else None)


def test_tables_of_which_nothing_is_held_out() -> None:
    check_dataset(TableDataset, FRAME, ratios=(1, 0, 0))


def test_synthetic_data(tmp_path: Path) -> None:
    check_dataset(SyntheticMultimodal, num_users=50, num_items=30, root=tmp_path)


def test_tiktok(real_data: Path) -> None:
    check_dataset(TikTok, real_data)
