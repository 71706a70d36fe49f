from typing import Any

import pytest
import torch

from soil_pyg import models
from soil_pyg.training.own_rows import build_with_own_rows, own_rows


def build(rank: int, size: int, model_class: type[Any], *sizes: Any, **options: Any) -> Any:
    with torch.device("meta"):
        model = model_class(*sizes, **options)
    torch.manual_seed(0)
    build_with_own_rows(model, rank, size)
    return model


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("kind", ["BPR", "LightGCN", "BM3", "MMGCN", "SOIL"])
@pytest.mark.parametrize("num_users", [9, 39, 53])
def test_rows_of_whole_tables(
    kind: str, num_users: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soil_pyg.training.own_rows.BLOCK_ROWS", 32)
    model_class, sizes = getattr(models, kind), (num_users, 11, {"image": 3})
    torch.manual_seed(0)
    whole = model_class(*sizes)
    expected = torch.rand(1)
    for rank in range(size):
        model = build(rank, size, model_class, *sizes)
        assert torch.equal(torch.rand(1), expected)
        for name, value in whole.named_parameters():
            found = model.get_parameter(name)
            if name in model.node_parameters():
                assert found.is_meta
                assert torch.equal(own_rows(found, rank, size), value[rank::size]), name
                assert torch.equal(own_rows(value, rank, size), value[rank::size]), name
            else:
                assert torch.equal(found, value), name


def test_a_table_that_is_drawn_otherwise() -> None:
    class Ordered(models.BPR):
        def reset_parameters(self) -> None:
            super().reset_parameters()
            with torch.no_grad():
                self.item_embedding.weight.mul_(2)

    with pytest.raises(ValueError, match=r"'shard_tables' must be False .* 'mul_'"):
        build(0, 2, Ordered, 9, 11)
