"""Silences what torch says about sparse matrices in compressed rows."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

MESSAGES = (
    "Sparse CSR tensor support is in beta",
    # Shown even where checks are explicitly disabled.
    "Sparse invariant checks are implicitly disabled",
)


@contextmanager
def no_sparse_warnings() -> Iterator[None]:
    """Ignores warnings that concern the code of this package and not its user."""
    with warnings.catch_warnings():
        for message in MESSAGES:
            warnings.filterwarnings("ignore", message)
        yield
