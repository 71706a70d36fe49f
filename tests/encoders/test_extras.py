import pytest

from soil_pyg.encoders.extras import check_installed, importing, is_installed


def test_is_installed() -> None:
    assert is_installed("torch")
    assert not is_installed("no_such_package")


def test_absent_package() -> None:
    check_installed("torch", "embed", "do without")
    with pytest.raises(
        ImportError, match=r"no_such_package .*pip install .*\[embed\].* do without"
    ):
        check_installed("no_such_package", "embed", "do without")


@pytest.mark.parametrize(
    "error",
    [ImportError("a name"), RuntimeError("operator torchvision::nms does not exist"), OSError("x")],
)
def test_broken_package(error: Exception) -> None:
    with (
        pytest.raises(ImportError, match=rf"timm .*\({error}\)"),
        importing("timm"),
    ):
        raise error
