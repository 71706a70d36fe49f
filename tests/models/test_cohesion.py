import numpy as np
import pytest
import torch
from model_cases import keeps_contract
from preference_oracle import BATCH, CHANNELS, NUM_USERS, Matrix, Oracle, make_data, make_model
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import COHESION
from soil_pyg.models.pruned_interactions import PRUNED
from soil_pyg.typing import INTERACTS, Triplets


class Dense(Oracle):
    def __init__(self, model: COHESION, data: HeteroData, is_pruned: bool = False) -> None:
        super().__init__(model, data)
        self.interactions = data[PRUNED if is_pruned else INTERACTS].edge_index
        table = self.weight["item_embedding.weight"]
        blocks = [self.block("id_encoder", table)]
        blocks += [self.block(f"encoders.{m}", self.features[m]) for m in self.names]
        joined = np.concatenate(blocks, axis=1)
        user = joined[:NUM_USERS]
        self.user = user + self.user_user @ user
        self.item = self.with_similar_items(joined[NUM_USERS:], self.options["num_item_layers"])

    def block(self, encoder: str, x: Matrix) -> Matrix:
        fused = self.weight["item_embedding.weight"] ** 2 + self.code(encoder, x) ** 2
        start = layer = self.start(encoder, np.sqrt(fused / 2 + 1e-8))
        out, matrix = start.copy(), self.user_item()
        for _ in range(self.options["num_layers"]):
            layer = matrix @ layer
            for node, row in enumerate(layer):
                norm = np.linalg.norm(row) * np.linalg.norm(start[node])
                layer[node] = row * (row @ start[node] / norm if norm > 0 else 0)
            out += layer
        return out

    def bpr_of_blocks(self, batch: Triplets = BATCH) -> float:
        losses = []
        for u, i, j in zip(*(part.tolist() for part in batch), strict=True):
            product = self.user[u] * (self.item[i] - self.item[j])
            margin = product.reshape(-1, CHANNELS).sum(1)
            share = np.exp(margin) / np.exp(margin).sum()
            losses.append(np.log2(1 + np.exp(-((1 - share) * margin).sum())))
        return float(np.mean(losses))


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
@pytest.mark.parametrize(("num_layers", "num_item_layers"), [(1, 0), (2, 1), (3, 2)])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_equals_the_dense_model(
    num_modalities: int, num_layers: int, num_item_layers: int, dropout: float
) -> None:
    data = make_data(COHESION, num_modalities, k=3, user_k=3)
    layers = {"num_layers": num_layers, "num_item_layers": num_item_layers}
    model = make_model(COHESION, num_modalities, reg=0.7, dropout=dropout, **layers)
    model.on_epoch_start(data)
    whole, trained = Dense(model, data), Dense(model, data, is_pruned=dropout > 0)
    with torch.no_grad():
        user_emb, item_emb = model(data)
        losses = [model.train(mode).loss(data, BATCH) for mode in (True, False)]
    # The graphs are held in single precision.
    np.testing.assert_allclose(user_emb, whole.user, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(item_emb, whole.item, rtol=1e-5, atol=1e-7)
    for terms, dense in zip(losses, (trained, whole), strict=True):
        found = {name: float(term) for name, term in terms.items()}
        assert found == pytest.approx({"bpr": dense.bpr_of_blocks(), "reg": dense.reg()}, rel=1e-5)


def test_an_epoch_keeps_a_share_of_the_interactions() -> None:
    data, model = make_data(COHESION, 1, k=3, user_k=3), make_model(COHESION, 1, dropout=0.4)
    num_edges = data[INTERACTS].edge_index.size(1)
    model.on_epoch_start(data)
    assert data[PRUNED].edge_index.size(1) == int(0.6 * num_edges)


def gradients(id_gradient: str) -> dict[str, torch.Tensor | None]:
    data = make_data(COHESION, 2, k=3, user_k=3)
    model = make_model(COHESION, 2, id_gradient=id_gradient)
    sum(model.loss(data, BATCH).values()).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def test_the_block_of_the_item_embeddings_may_pass_no_gradient() -> None:
    none, trained = gradients("none"), gradients("trained")
    for name, grad in none.items():
        assert (grad is None) == name.startswith("id_encoder."), name
    # The item embeddings learn through the modalities in either case.
    assert none["item_embedding.weight"].any()
    assert all(grad is not None and grad.any() for grad in trained.values())


def test_both_gradients_have_the_same_scores() -> None:
    data = make_data(COHESION, 2, k=3, user_k=3)
    models = [make_model(COHESION, 2, id_gradient=x) for x in ("none", "trained")]
    pairs = zip(*(model(data) for model in models), strict=True)
    assert all(a.equal(b) for a, b in pairs)


test_wrong_arguments = wrong_arguments("COHESION")
test_contract = keeps_contract("cohesion")
