"""Packages of the extras, which are imported where they are used."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


def is_installed(module: str) -> bool:
    """Returns whether a module could be imported, without importing it.

    Args:
        module (str): Its name.
    """
    return find_spec(module) is not None


def check_installed(module: str, extra: str, otherwise: str) -> None:
    """Refuses to go on without a package.

    Args:
        module (str): The name that it is imported by.
        extra (str): The extra that it belongs to.
        otherwise (str): What can be done without it.

    Raises:
        ImportError: If it is not installed.
    """
    if not is_installed(module):
        raise ImportError(
            f"{module} is not installed: pip install 'soil-pyg[{extra}]', or {otherwise}"
        )


@contextmanager
def importing(module: str) -> Iterator[None]:
    """Makes one line of what goes wrong while an installed package is imported.

    Args:
        module (str): Its name.

    Raises:
        ImportError: If it cannot be imported.
    """
    try:
        yield
    except (ImportError, RuntimeError, OSError) as error:
        # The compiled part of torchvision fits one build of torch.
        raise ImportError(
            f"{module} is installed, but cannot be imported ({error}): install it again, and "
            f"torchvision, if it is there, from the same index as torch"
        ) from error
