"""Graphs of items as dense matrices, computed row by row."""

import math

import numpy as np

Matrix = np.ndarray


def normalised(matrix: Matrix) -> Matrix:
    """Returns the symmetric normalisation by the row sums."""
    out = np.zeros_like(matrix)
    degree = matrix.sum(1)
    for i, j in zip(*np.nonzero(matrix), strict=True):
        out[i, j] = matrix[i, j] / math.sqrt(degree[i] * degree[j])
    return out


def neighbours(x: Matrix, k: int) -> Matrix:
    """Returns the weighted graph of the nearest items that are not dissimilar."""
    out = np.zeros((len(x), len(x)))
    has = [i for i in range(len(x)) if np.linalg.norm(x[i]) > 0]
    for i in has:
        cosine = {j: x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j]) for j in has}
        for j in sorted(has, key=lambda j: -cosine[j])[:k]:
            if cosine[j] > 0:
                out[i, j] = cosine[j]
    return out
