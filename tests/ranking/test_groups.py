from dataclasses import FrozenInstanceError

import pytest
import torch

from soil_pyg.ranking.group_metrics import GroupMetrics
from soil_pyg.ranking.groups import Groups, quantile_groups


@pytest.mark.parametrize("num_groups", [1, 2, 3, 5, 40])
@pytest.mark.parametrize("num_values", [1, 2, 6, 1000])
def test_groups_are_similar_in_size(num_groups: int, num_values: int) -> None:
    count = torch.randint(num_values, (30,), generator=torch.Generator().manual_seed(0))
    groups = quantile_groups(count, num_groups)
    members = [count[groups.index == n].tolist() for n in range(len(groups.size))]
    assert len(members) <= num_groups
    assert groups.size == [len(group) for group in members]
    assert groups.bounds == [(min(group), max(group)) for group in members]
    assert sum(groups.size) == 30
    for (_, highest), (lowest, _) in zip(groups.bounds, groups.bounds[1:], strict=False):
        assert highest < lowest
    most_of_one_count = int(torch.bincount(count).max())
    assert max(groups.size) < 30 // num_groups + 1 + most_of_one_count
    if len(count.unique()) == 30:
        assert max(groups.size) - min(groups.size) <= 1
    value = torch.arange(30)
    means = [value[groups.index == n].double().mean().item() for n in range(len(members))]
    assert groups.mean(value) == pytest.approx(means)


@pytest.mark.parametrize(
    "value", [Groups(torch.tensor([0]), [(1, 1)], [1]), GroupMetrics(1, 2, 3, {})]
)
def test_groups_stay_as_they_are(value: Groups | GroupMetrics) -> None:
    with pytest.raises(FrozenInstanceError):
        value.size = [2]  # type: ignore[misc, union-attr]
