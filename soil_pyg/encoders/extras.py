"""Optional packages, which are imported on first use."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from soil_pyg.utils.extras import install_command


def is_installed(module: str) -> bool:
    """Returns whether a module can be found, without importing it."""
    return find_spec(module) is not None


def check_installed(module: str, extra: str, otherwise: str) -> None:
    """Raises :class:`ImportError` if the package of an extra is not installed; the error also names
    the alternative without the package.
    """
    if not is_installed(module):
        raise ImportError(f"{module} is not installed: {install_command(extra)}, or {otherwise}")


@contextmanager
def importing(module: str) -> Iterator[None]:
    """Turns failures to import an installed package into one readable :class:`ImportError`."""
    try:
        yield
    except (ImportError, RuntimeError, OSError) as error:
        # The binaries of torchvision fit only one build of torch.
        raise ImportError(
            f"{module} is installed but cannot be imported ({error}): reinstall it and, if "
            f"installed, torchvision from the same index as torch"
        ) from error
