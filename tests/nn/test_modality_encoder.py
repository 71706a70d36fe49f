import numpy as np
import torch

from api_cases import wrong_arguments
from soil_pyg.nn import ModalityEncoder

EDGE_INDEX = torch.tensor([[0, 1, 1, 2], [0, 0, 2, 3]])
EDGE_WEIGHT = torch.tensor([0.5, 1.0, 2.0, 0.25], dtype=torch.float64)


def make() -> tuple[ModalityEncoder, torch.Tensor]:
    torch.manual_seed(0)
    return ModalityEncoder(3, 5, 2).double(), torch.randn(4, 5, dtype=torch.float64)


def dense(encoder: ModalityEncoder, x: torch.Tensor) -> list[np.ndarray]:
    """The start and the next two layers, users first, by loops."""
    weight = {name: p.detach().numpy() for name, p in encoder.named_parameters()}
    rows = list(weight["preference.weight"])
    for features in x.numpy():
        hidden = weight["project.weight"] @ features + weight["project.bias"]
        hidden = np.array([h if h > 0 else 0.01 * h for h in hidden])
        rows.append(weight["output.weight"] @ hidden + weight["output.bias"])
    matrix = np.zeros((7, 7))
    for (user, item), value in zip(EDGE_INDEX.t().tolist(), EDGE_WEIGHT.tolist(), strict=True):
        matrix[user, 3 + item] = matrix[3 + item, user] = value
    start = np.stack([row / np.linalg.norm(row) for row in rows])
    return [start, matrix @ start, matrix @ matrix @ start]


def test_equals_the_dense_encoder() -> None:
    encoder, x = make()
    with torch.no_grad():
        found = torch.cat(encoder(x, EDGE_INDEX, EDGE_WEIGHT))
    np.testing.assert_allclose(found, sum(dense(encoder, x)))
    assert encoder.project.weight.size() == (8, 5)


def test_noise_follows_each_layer() -> None:
    encoder, x = make()
    start, _, _ = dense(encoder, x)
    with torch.no_grad():
        noisy = torch.cat(encoder(x, EDGE_INDEX, EDGE_WEIGHT, noise=0.2)).numpy()
    # Item 1 has no edges: the sign of its zeros is 0, so it gets no noise.
    np.testing.assert_allclose(noisy[4], start[4])
    quiet = sum(dense(encoder, x))
    moved = np.linalg.norm(noisy - quiet, axis=1)
    assert (np.delete(moved, 4) > 0).all()
    # Each layer moves a node by .2, and the second passes on what its neighbours were moved by.
    assert (moved <= 0.2 + 0.2 * (1 + 3.0) + 1e-9).all()


def test_initial_values() -> None:
    torch.manual_seed(0)
    encoder = ModalityEncoder(3000, 5, 50)
    assert abs(float(encoder.preference.weight.detach().std()) - (2 / 3050) ** 0.5) < 5e-4
    before = {name: p.clone() for name, p in encoder.named_parameters()}
    encoder.reset_parameters()
    assert all(not p.equal(before[name]) for name, p in encoder.named_parameters())


def test_repr() -> None:
    assert str(ModalityEncoder(3, 5, 2)) == "ModalityEncoder(3, 5, 2)"


test_wrong_arguments = wrong_arguments("ModalityEncoder")
