import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from preference_oracle import BATCH, NUM_ITEMS, NUM_USERS, Oracle, make_data, make_model

from api_cases import wrong_arguments
from soil_pyg.models import DualGNN
from soil_pyg.typing import ITEM, USER


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize("user_sum", ["weighted", "shifted"])
def test_equals_the_dense_model(num_modalities: int, user_sum: str) -> None:
    data = make_data(DualGNN, num_modalities, user_k=3)
    model = make_model(DualGNN, num_modalities, reg=0.7, user_sum=user_sum)
    oracle = Oracle(model, data)
    views = oracle.views()
    item = sum(item for _, item in views)
    if user_sum == "shifted":
        views[0] = sum(user for user, _ in views), views[0][1]
    user = sum(oracle.weigh(views))
    user = user + oracle.user_user @ user
    with torch.no_grad():
        user_emb, item_emb = model(data)
        terms = {name: float(term) for name, term in model.loss(data, BATCH).items()}
    # The graphs are held in single precision.
    np.testing.assert_allclose(user_emb, user, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(item_emb, item, rtol=1e-5, atol=1e-7)
    reg = oracle.reg() + 0.7 * (oracle.weight["item_weight.weight"] ** 2).mean()
    expected = {"bpr": oracle.bpr(user, item), "reg": float(reg)}
    assert terms == pytest.approx(expected, rel=1e-5)


def test_the_sums_are_the_same_for_one_modality() -> None:
    data = make_data(DualGNN, 1, user_k=3)
    weighted, shifted = (make_model(DualGNN, 1, user_sum=x) for x in ("weighted", "shifted"))
    assert all(a.equal(b) for a, b in zip(weighted(data), shifted(data), strict=True))


def test_weights_start_near_equal_shares() -> None:
    torch.manual_seed(0)
    model = DualGNN(2000, 1000, {"image": 3, "text": 2})
    for table in (model.user_weight, model.item_weight):
        torch.testing.assert_close(table.weight.sum(dim=1), torch.ones(table.num_embeddings))
        # The draw has the variance 2 / (rows + 2), the softmax of two halves their difference.
        expected = 0.25 * 2**0.5 * (2 / (table.num_embeddings + 2)) ** 0.5
        assert table.weight[:, 0].std().item() == pytest.approx(expected, rel=0.1)


def test_tables_with_one_row_per_node() -> None:
    model = DualGNN(NUM_USERS, NUM_ITEMS, {"image": 3, "text": 2})
    assert model.node_parameters() == {
        "user_weight.weight": USER,
        "item_weight.weight": ITEM,
        "encoders.image.preference.weight": USER,
        "encoders.text.preference.weight": USER,
    }


test_wrong_arguments = wrong_arguments("DualGNN", "DualGNN.graph_transform")
test_contract = keeps_contract("dualgnn")
