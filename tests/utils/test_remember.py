import gc

import torch

from soil_pyg.utils import remember as module
from soil_pyg.utils.remember import remember


def test_results_last_as_long_as_the_tensor_is_unchanged() -> None:
    x, calls = torch.ones(2), []

    def total() -> float:
        calls.append(1)
        return float(x.sum())

    assert remember(x, "total", total) == remember(x, "total", total) == 2.0
    assert len(calls) == 1
    assert remember(x, "other", lambda: 3.0) == 3.0
    x += 1
    assert remember(x, "total", total) == 4.0
    # Another tensor with the same values is another one.
    assert remember(x.clone(), "total", lambda: 5.0) == 5.0


def test_nothing_is_kept_of_tensors_that_are_gone() -> None:
    gc.collect()
    before = len(module._ENTRIES)
    x = torch.ones(2)
    remember(x, "key", lambda: None)
    assert len(module._ENTRIES) == before + 1
    del x
    gc.collect()
    assert len(module._ENTRIES) == before


def test_tensors_whose_changes_are_not_counted() -> None:
    with torch.inference_mode():
        x = torch.ones(2)
    assert [remember(x, "key", lambda value=value: value) for value in (1, 2)] == [1, 2]
