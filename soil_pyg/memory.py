import ctypes
from contextlib import suppress


def give_back_freed() -> None:
    """Gives memory that was freed back to the system, where the C library can (glibc).

    The allocator keeps the pages between tensors that stay for later ones. Between two steps that
    need much memory of different sizes this would be held beside that of the second.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
