"""The limit of what a compressed file may take in memory."""

from pathlib import Path

SMALL = 2**28
"""The number of bytes up to which content may have any size."""
_MAX_GROWTH = 200
"""The largest ratio of larger content to its compressed size. That of real tables is below 100."""


class GrowthError(ValueError):
    """The error of a small file whose content would fill the memory."""


def check_growth(path: Path, size: int, remedy: str) -> None:
    """Raises :class:`GrowthError` if content is larger than that of a table can be.

    Args:
        path (Path): The compressed file.
        size (int): The bytes that its content takes, as far as they are known.
        remedy (str): What to do with a lawful file.
    """
    if size > max(SMALL, _MAX_GROWTH * path.stat().st_size):
        raise GrowthError(
            f"{path} must not grow to more than {_MAX_GROWTH} times its size when it is "
            f"decompressed: {remedy}"
        )
