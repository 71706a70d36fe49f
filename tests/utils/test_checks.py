import math

import pytest

from soil_pyg.utils.checks import check_at_least, check_between, check_choice


def test_values_that_fit() -> None:
    check_at_least("k", 1, 1)
    for share in (0, 0.5, 1):
        check_between("share", share, 0, 1)
    check_choice("aggr", "max", ("max", "sum"))
    check_choice("aggr", "max", {"max": 1})


@pytest.mark.parametrize(
    ("check", "limits", "value", "message"),
    [
        (check_at_least, (1,), 0, "'k' must be at least 1 (got 0)"),
        (check_at_least, (0,), math.nan, "'k' must be at least 0 (got nan)"),
        (check_between, (0, 1), 1.5, "'k' must be between 0 and 1 (got 1.5)"),
        (check_between, (1, 256), 0, "'k' must be between 1 and 256 (got 0)"),
        (check_between, (0, 1), math.nan, "'k' must be between 0 and 1 (got nan)"),
        (check_choice, (("max", "sum"),), "min", "'k' must be one of 'max', 'sum' (got 'min')"),
    ],
)
def test_errors_name_the_argument_the_limits_and_the_value(
    check: object, limits: tuple, value: object, message: str
) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        check("k", value, *limits)
    assert str(error.value) == message
