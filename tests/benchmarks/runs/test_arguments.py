import logging

import pytest

from soil_bench.runs.arguments import each_message_once, require


def test_packages_that_are_required() -> None:
    require("torch", "the figure")
    with pytest.raises(ValueError, match="the figure requires unlikely_package"):
        require("unlikely_package", "the figure")


def test_messages_that_repeat_are_shown_once(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("soil_pyg")
    for _ in range(2):
        with each_message_once():
            for number in (1, 2, 1, 2):
                logger.warning("the aggregation of model %d", number)
    assert caplog.messages == ["the aggregation of model 1", "the aggregation of model 2"] * 2
