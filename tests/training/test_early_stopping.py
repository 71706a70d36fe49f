import logging
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from soil_pyg.runs.training_run import TrainResult
from soil_pyg.training.early_stopping import EARLY_EPOCHS, EarlyStopping
from soil_pyg.training.trainer import Trainer


def stopping(**options: Any) -> EarlyStopping:
    given = {"metric": "m", "patience": 3, "epochs": 20, "released_stopping": False}
    return EarlyStopping(**given | options)


@pytest.mark.parametrize(
    ("best_epoch", "epochs", "options", "is_over"),
    [
        (4, 6, {}, False),
        (4, 7, {}, True),
        (4, 7, {"released_stopping": True}, False),
        (4, 8, {"released_stopping": True}, True),
        (20, 20, {}, True),
        (0, 0, {}, False),
    ],
)
def test_when_training_is_over(
    best_epoch: int, epochs: int, options: dict[str, Any], is_over: bool
) -> None:
    result = TrainResult(best_epoch, epochs)
    assert stopping(**options).is_over(result) is is_over
    # The number of epochs left is that of a run without a better epoch.
    result.epochs += stopping(**options).epochs_left(result)
    assert stopping(**options).is_over(result)
    result.epochs -= 1
    assert is_over or not stopping(**options).is_over(result)


@pytest.mark.parametrize(
    ("new", "old", "strictly", "rounded"),
    [(0.2, 0.1, True, True), (0.1, 0.1, False, False), (0.10004, 0.1, True, False)],
)
def test_what_is_better(new: float, old: float, strictly: bool, rounded: bool) -> None:
    assert stopping().is_better({"m": new}, {"m": old}) is strictly
    assert stopping(released_stopping=True).is_better({"m": new}, {"m": old}) is rounded
    assert stopping().is_better({"m": 0.0}, {})
    assert stopping().is_better({}, {})


@pytest.mark.parametrize(
    ("best_epoch", "epochs", "patience", "advised"),
    [
        (2, 12, 10, 60),
        (EARLY_EPOCHS, EARLY_EPOCHS + 10, 10, 60),
        (1, 41, 40, 80),
        (EARLY_EPOCHS + 1, EARLY_EPOCHS + 11, 10, None),
        # The number of epochs was exhausted, not the patience.
        (2, 8, 10, None),
    ],
)
def test_a_run_that_may_have_stopped_in_a_dip_says_so(
    best_epoch: int,
    epochs: int,
    patience: int,
    advised: int | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "soil_pyg"):
        stopping(patience=patience).warn(TrainResult(best_epoch, epochs))
    expected = [(best_epoch, epochs, patience, advised, advised)] if advised else []
    assert [record.args for record in caplog.records] == expected


def test_the_default_patience_outlasts_a_dip() -> None:
    """With the published 10 epochs, LightGCN and FREEDOM stop in one on other data."""
    assert Trainer().patience == 60


def test_the_rule_stays_as_it_is() -> None:
    with pytest.raises(FrozenInstanceError):
        stopping().patience = 4  # type: ignore[misc]
