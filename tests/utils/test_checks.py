import pytest

from soil_pyg.utils.checks import check_at_least, check_choice


def test_check_at_least() -> None:
    check_at_least("k", 1, 1)
    with pytest.raises(ValueError, match=r"^'k' must be at least 1 \(got 0\)$"):
        check_at_least("k", 0, 1)


def test_check_choice() -> None:
    check_choice("aggr", "max", ("max", "sum"))
    with pytest.raises(ValueError, match=r"^'aggr' must be one of 'max', 'sum' \(got 'min'\)$"):
        check_choice("aggr", "min", ("max", "sum"))
