import pytest

from soil_pyg.encoders.extras import check_installed, importing, is_installed


def test_is_installed() -> None:
    assert is_installed("torch")
    assert not is_installed("no_such_package")


def test_absent_package() -> None:
    check_installed("torch", "embed", "do without")
    message = r"no_such_package is not installed: pip install 'soil-pyg\[embed\]', or do without"
    with pytest.raises(ImportError, match=message):
        check_installed("no_such_package", "embed", "do without")


@pytest.mark.parametrize(
    "error",
    [ImportError("a name"), RuntimeError("operator torchvision::nms does not exist"), OSError("x")],
)
def test_broken_package(error: Exception) -> None:
    with (
        pytest.raises(ImportError, match="timm is installed, but cannot be imported"),
        importing("timm"),
    ):
        raise error
