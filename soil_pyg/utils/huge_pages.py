"""Lets torch hold large tensors on a CPU in huge pages.

Graph convolutions read rows of large tables in no order. In pages of 4 KiB, most of these reads
miss the processor's table of pages.
"""

import os

VARIABLE = "THP_MEM_ALLOC_ENABLE"
"""The environment variable that torch reads when it allocates its first tensor."""


def use_huge_pages() -> None:
    """Asks for huge pages where the system gives them on request, unless the user has decided."""
    os.environ.setdefault(VARIABLE, "1")
