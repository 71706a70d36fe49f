import pytest

from soil_bench.runs.arguments import require


def test_packages_that_are_required() -> None:
    require("torch", "the figure")
    with pytest.raises(ValueError, match="the figure requires unlikely_package"):
        require("unlikely_package", "the figure")
