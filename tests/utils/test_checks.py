import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from soil_pyg.utils import checks

NO_NUMBER = ["3", None, [], True, math.nan, math.inf, torch.ones(())]
EDGE_TYPE = ("user", "interacts", "item")


@pytest.mark.parametrize(
    ("check", "limits", "right", "wrong"),
    [
        (checks.check_number, (), [-1, 0.5, np.float32(2), np.int64(3), 10**400], NO_NUMBER),
        (checks.check_integer, (), [-1, 0, np.int64(3)], [*NO_NUMBER, 1.0, 2**63]),
        (checks.check_integer, (1, 3), [1, 3], [*NO_NUMBER, 0, 4, 10**400]),
        (checks.check_at_least, (1,), [1, 1.5], [*NO_NUMBER, 0]),
        (checks.check_greater, (0,), [1e-9], [*NO_NUMBER, 0, -1]),
        (checks.check_between, (0, 1), [0, 1], [*NO_NUMBER, -0.1, 1.1]),
        (checks.check_share, (), [0, 0.999], [*NO_NUMBER, -0.1, 1]),
        (checks.check_choice, (("max", None),), ["max", None], ["min", [], 3, np.ones(2)]),
        (checks.check_flag, (), [True, False], [None, 1, "yes", np.ones(2)]),
        (checks.check_string, (), ["a"], ["", None, 3, ["a"]]),
        (checks.check_strings, (), [["a"], ("a", "b")], ["a", [], [3], ["a", "a"], None]),
        (checks.check_numbers, (), [[], [1, 0.5]], [1, "1", ["1"], [math.nan], None]),
        (checks.check_edge_type, (), [EDGE_TYPE], ["user", list(EDGE_TYPE), EDGE_TYPE[:2], None]),
        (checks.check_edge_types, (), [[], [EDGE_TYPE]], [EDGE_TYPE, ["user"], "user", None]),
        (checks.check_sizes, (), [{}, {"a": 1}], [{"a": 0}, {"a": 1.0}, {3: 1}, ["a"], None]),
    ],
)
def test_checks(
    check: Callable[..., None], limits: tuple[Any, ...], right: list[Any], wrong: list[Any]
) -> None:
    for value in right:
        check("name", value, *limits)
    for value in wrong:
        with pytest.raises(ValueError, match=r"^'name"):
            check("name", value, *limits)


def test_errors_name_the_value_and_the_limits() -> None:
    with pytest.raises(ValueError, match=r"^'k' must be at least 1 \(got 0\)$"):
        checks.check_at_least("k", 0, 1)
    with pytest.raises(ValueError, match=r"^'aggr' must be one of 'max', 'sum' \(got 'min'\)$"):
        checks.check_choice("aggr", "min", ("max", "sum"))
