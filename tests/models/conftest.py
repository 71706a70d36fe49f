"""Definitions that the tests of several models compare with, in naive loops."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

Laplacian = Callable[[Tensor, int, int], Tensor]
NoisyLayers = Callable[[Tensor, tuple[Tensor, Tensor], int, float], list[Tensor]]
NaiveContrast = Callable[[Tensor, Tensor, list[int], list[int], float], float]


@pytest.fixture
def laplacian() -> Laplacian:
    """Returns the symmetrically normalised matrix of users and items, dense."""

    def make(edge_index: Tensor, num_users: int, num_items: int) -> Tensor:
        size = num_users + num_items
        matrix = torch.zeros(size, size, dtype=torch.float64)
        for user, item in edge_index.t().tolist():
            matrix[user, num_users + item] = matrix[num_users + item, user] = 1
        degree = matrix.sum(1)
        for i in range(size):
            for j in range(size):
                if matrix[i, j] > 0:
                    matrix[i, j] /= math.sqrt(degree[i] * degree[j])
        return matrix

    return make


@pytest.fixture
def noisy_layers() -> NoisyLayers:
    """Returns the layers of a propagation that adds noise of a length to the rows of each."""

    def propagate(
        matrix: Tensor, tables: tuple[Tensor, Tensor], num_layers: int, eps: float
    ) -> list[Tensor]:
        x, layers = torch.cat(tables).detach(), []
        for _ in range(num_layers):
            x = matrix @ x
            noise = torch.cat([torch.rand(table.size()).double() for table in tables])
            x = x + eps * x.sign() * noise / noise.norm(dim=1, keepdim=True)
            layers.append(x)
        return layers

    return propagate


@pytest.fixture
def naive_contrast() -> NaiveContrast:
    """Returns the mean InfoNCE loss of some rows with the same rows of another table, which they
    are told from the candidate rows by their cosine.
    """

    def cosine(x: Tensor, y: Tensor) -> float:
        return float(x @ y / (x.norm() * y.norm()))

    def loss(
        query: Tensor, other: Tensor, rows: list[int], candidates: list[int], tau: float
    ) -> float:
        total = 0.0
        for row in rows:
            ratios = [math.exp(cosine(query[row], other[c]) / tau) for c in candidates]
            total -= math.log(math.exp(cosine(query[row], other[row]) / tau) / sum(ratios))
        return total / len(rows)

    return loss
