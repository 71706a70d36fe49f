from collections.abc import Callable, Sequence

import numpy as np

from soil_pyg.encoders.vector_cache import VectorCache
from soil_pyg.utils.progress import blocks

EncodeBatch = Callable[[list[int]], tuple[list[int], np.ndarray]]
"""Encodes rows and returns those with a vector, and their vectors."""


def encode_rows(
    digests: Sequence[str | None],
    encode_batch: EncodeBatch,
    cache: VectorCache,
    batch_size: int,
    description: str,
) -> np.ndarray | None:
    """Encodes distinct contents batch by batch, except those whose vectors are in the cache.

    Rows whose digest is :obj:`None` have no content. Each finished batch is cached. Returns one
    vector per row, zeros for rows without any, or :obj:`None` if no row has one. Raises
    :class:`ValueError` if a vector is not finite.
    """
    rows_of: dict[str, list[int]] = {}
    for row, digest in enumerate(digests):
        if digest is not None:
            rows_of.setdefault(digest, []).append(row)
    vector_of = cache.load(rows_of)
    todo = [(digest, rows[0]) for digest, rows in rows_of.items() if digest not in vector_of]
    digest_of_row = {row: digest for digest, row in todo}
    for block in blocks(len(todo), batch_size, description):
        rows, vectors = encode_batch([row for _, row in todo[block]])
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if not np.isfinite(vectors).all():
            raise ValueError(f"{description}: the model returned a vector that is not finite")
        keys = [digest_of_row[row] for row in rows]
        cache.save(keys, vectors)
        vector_of.update(zip(keys, vectors, strict=True))
    if not vector_of:
        return None
    matrix = np.zeros((len(digests), len(next(iter(vector_of.values())))), dtype=np.float32)
    for digest, vector in vector_of.items():
        matrix[rows_of[digest]] = vector
    return matrix
