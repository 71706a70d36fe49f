import math

import pytest
import torch
from model_cases import keeps_contract
from torch import Tensor
from torch_geometric.data import HeteroData

from api_cases import wrong_arguments
from soil_pyg.models import VBPR
from soil_pyg.typing import Triplets

NUM_USERS, NUM_ITEMS, CHANNELS = 4, 5, 2
SIZES = {"image": 3, "text": 2, "audio": 4}
BATCH = Triplets(torch.tensor([2, 0, 2]), torch.tensor([3, 1, 3]), torch.tensor([0, 4, 1]))


def in_channels(num_modalities: int) -> dict[str, int]:
    return dict(list(SIZES.items())[:num_modalities])


def make_data(sizes: dict[str, int] = SIZES) -> HeteroData:
    """Random features in double precision; item 3 lacks the first modality."""
    generator = torch.Generator().manual_seed(0)
    data = HeteroData()
    for name, size in sizes.items():
        x = torch.randn(NUM_ITEMS, size, generator=generator, dtype=torch.float64)
        data["item"][f"x_{name}"] = x
    data["item"][f"x_{next(iter(sizes))}"][3] = 0
    return data


def make_model(sizes: dict[str, int] = SIZES, reg: float = 0.3) -> VBPR:
    torch.manual_seed(0)
    model = VBPR(NUM_USERS, NUM_ITEMS, sizes, hidden_channels=CHANNELS, reg=reg).double()
    torch.nn.init.normal_(model.project.bias)
    return model


def embeddings(model: VBPR, data: HeteroData) -> tuple[list[list[float]], list[list[float]]]:
    """Returns the embeddings of users and items by loops over their entries."""
    user, item, weight, bias = (parameter.tolist() for parameter in model.parameters())
    features = [data["item"][f"x_{name}"].tolist() for name in model.in_channels]
    for i in range(NUM_ITEMS):
        x = [value for rows in features for value in rows[i]]
        for row, b in zip(weight, bias, strict=True):
            item[i].append(sum(w * value for w, value in zip(row, x, strict=True)) + b)
    return user, item


@pytest.mark.parametrize("num_modalities", [1, 2, 3])
def test_equals_the_definition(num_modalities: int) -> None:
    sizes = in_channels(num_modalities)
    data, model = make_data(sizes), make_model(sizes)
    user, item = embeddings(model, data)
    user_emb, item_emb = model(data)
    assert user_emb is model.user_embedding.weight
    assert user_emb.size() == (NUM_USERS, 2 * CHANNELS)
    torch.testing.assert_close(item_emb.detach(), torch.tensor(item, dtype=torch.float64))

    bpr, norms = 0.0, [0.0, 0.0, 0.0]
    for u, i, j in zip(*(part.tolist() for part in BATCH), strict=True):
        margin = sum(a * (b - c) for a, b, c in zip(user[u], item[i], item[j], strict=True))
        bpr += math.log1p(math.exp(-margin)) / 3
        for n, row in enumerate((user[u], item[i], item[j])):
            norms[n] += sum(x * x for x in row)
    terms = model.loss(data, BATCH)
    assert list(terms) == ["bpr", "reg"]
    assert terms["bpr"].item() == pytest.approx(bpr, rel=1e-12)
    expected = 0.3 * sum(math.sqrt(norm) for norm in norms) / 3
    assert terms["reg"].item() == pytest.approx(expected, rel=1e-12)


def test_an_item_without_features_has_the_bias() -> None:
    data, model = make_data({"image": 3}), make_model({"image": 3})
    expected = torch.cat([model.item_embedding.weight[3], model.project.bias])
    assert model(data)[1][3].equal(expected)


def test_the_order_of_the_modalities_is_that_of_the_weights() -> None:
    data, model = make_data(), make_model()
    other = make_model(dict(reversed(SIZES.items())))
    state = model.state_dict()
    parts = state["project.weight"].split(list(SIZES.values()), dim=1)
    other.load_state_dict({**state, "project.weight": torch.cat(parts[::-1], dim=1)})
    torch.testing.assert_close(other(data), model(data))


def test_the_loss_projects_the_items_of_the_batch_only() -> None:
    data, model = make_data(), make_model()
    projected: list[Tensor] = []
    model.project.register_forward_hook(lambda module, args, out: projected.append(args[0]))
    model.loss(data, BATCH)
    assert [x.size() for x in projected] == [(3, 9), (3, 9)]


def test_initial_parameters() -> None:
    torch.manual_seed(0)
    model = VBPR(600, 400, {"image": 300, "text": 200}, hidden_channels=100)
    for size, embedding in [(600 + 200, model.user_embedding), (400 + 100, model.item_embedding)]:
        bound = math.sqrt(6 / size)
        assert 0.99 * bound < embedding.weight.abs().max() <= bound
    weight = model.project.weight
    assert weight.size() == (100, 500)
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 600), rel=0.02)
    assert weight.abs().max() > 3 * weight.std()
    assert model.project.bias.eq(0).all()


def test_repr() -> None:
    assert str(VBPR(3, 4, {"image": 5, "text": 6}, hidden_channels=8)) == (
        "VBPR(\n"
        "  (user_embedding): Embedding(3, 16)\n"
        "  (item_embedding): Embedding(4, 8)\n"
        "  (project): FeatureProjection(11, 8)\n"
        "  (bpr_loss): BPRLoss(reduction='mean')\n"
        ")"
    )


test_wrong_arguments = wrong_arguments("VBPR")
test_contract = keeps_contract("vbpr")
