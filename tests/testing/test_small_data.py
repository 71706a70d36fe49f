import pytest
import torch

from soil_pyg.testing import small_data
from soil_pyg.typing import EDGE_INDICES, INTERACTS, modalities_of


def test_the_last_item_is_held_out_and_item_3_has_no_features() -> None:
    data = small_data({"image": 5, "audio": 2}, num_users=12, num_items=9)
    assert modalities_of(data) == ["image", "audio"]
    assert data["item"].x_audio[3].eq(0).all()
    train, val, test = (data[INTERACTS][name] for name in EDGE_INDICES)
    assert set(train[0].tolist()) == set(range(12))
    assert train[1].max() < 8
    assert val.tolist() == [[0, 1], [8, 8]]
    assert test.tolist() == [[2, 3], [8, 8]]


def test_the_seed_decides_it() -> None:
    state = torch.get_rng_state()
    x, same, other = (small_data(seed=seed)["item"].x_text for seed in (0, 0, 1))
    assert x.equal(same)
    assert not x.equal(other)
    assert torch.get_rng_state().equal(state)


@pytest.mark.parametrize(("name", "value"), [("num_users", 3), ("num_items", 4)])
def test_too_few_nodes_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"'{name}'.*\(got {value}\)"):
        small_data(**{name: value})
