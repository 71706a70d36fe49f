import torch
from model_cases import keeps_contract
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import Popularity
from soil_pyg.typing import INTERACTS, Triplets


def test_scores_are_counts_of_training_interactions() -> None:
    data = HeteroData()
    data[INTERACTS].edge_index = torch.tensor([[0, 1, 1, 2], [3, 3, 0, 3]])
    data[INTERACTS].test_edge_label_index = torch.tensor([[0], [1]])
    user_emb, item_emb = Popularity(num_users=3, num_items=5)(data)
    assert (user_emb @ item_emb.t()).tolist() == [[1.0, 0.0, 0.0, 3.0, 0.0]] * 3


def test_nothing_is_trained() -> None:
    model = Popularity(2, 3)
    assert str(model) == "Popularity()"
    assert list(model.parameters()) == []
    empty = torch.empty(0, dtype=torch.long)
    assert model.loss(HeteroData(), Triplets(empty, empty, empty)) == {}


test_wrong_arguments = wrong_arguments("Popularity")
test_contract = keeps_contract("popularity")
