import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from preference_oracle import BATCH, Oracle, make_data, make_model

from api_cases import wrong_arguments
from soil_pyg.models import DRAGON
from soil_pyg.models.dragon import DRAGONGraphs


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize("num_item_layers", [0, 1, 2])
def test_equals_the_dense_model(num_modalities: int, num_item_layers: int) -> None:
    data = make_data(DRAGON, num_modalities, k=3, user_k=3, first_weight=0.3)
    model = make_model(DRAGON, num_modalities, reg=0.7, num_item_layers=num_item_layers)
    oracle = Oracle(model, data)
    views = oracle.views()
    user = np.concatenate(oracle.weigh(views), axis=1)
    user = user + oracle.user_user @ user
    item = np.concatenate([item for _, item in views], axis=1)
    item = oracle.with_similar_items(item, num_item_layers)
    with torch.no_grad():
        user_emb, item_emb = model(data)
        terms = {name: float(term) for name, term in model.loss(data, BATCH).items()}
    # The graphs are held in single precision.
    np.testing.assert_allclose(user_emb, user, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(item_emb, item, rtol=1e-5, atol=1e-7)
    expected = {"bpr": oracle.bpr(user, item), "reg": oracle.reg()}
    assert terms == pytest.approx(expected, rel=1e-5)


def test_repr_of_the_graphs() -> None:
    assert str(DRAGONGraphs(5)) == "DRAGONGraphs(k=5, first_weight=0.1, user_k=40)"


test_wrong_arguments = wrong_arguments("DRAGON", "DRAGONGraphs")
test_contract = keeps_contract("dragon")
