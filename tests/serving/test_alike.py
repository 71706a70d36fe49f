import torch

from soil_pyg.serving.alike import Alike


def test_rows_of_zeros_are_similar_to_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    emb = torch.randn(12, 3, generator=generator)
    emb[[0, 5, 11]] = 0
    rows = torch.tensor([5, 1, 0, 10])
    found = Alike(emb).rank(rows, k=20).result()
    unit = torch.nn.functional.normalize(emb.double(), dim=1)
    for row, (places, scores) in zip(rows.tolist(), found, strict=True):
        others = [i for i in range(12) if i not in (row, 0, 5, 11)]
        expected = sorted(others, key=lambda i: -float(unit[row] @ unit[i]))
        assert places == ([] if row in (0, 5) else expected)
        assert all(
            abs(s - float(unit[row] @ unit[i])) < 1e-6 for i, s in zip(places, scores, strict=True)
        )


def test_only_rows_of_zeros() -> None:
    assert Alike(torch.zeros(3, 2)).rank(torch.tensor([1]), k=2).result() == [([], [])]
