"""Models with preferences per modality, with dense matrices and loops."""

from typing import Any

import numpy as np
import torch
from torch_geometric.data import HeteroData

from soil_pyg.models import Recommender
from soil_pyg.models.freedom import ITEM_ITEM
from soil_pyg.transforms.user_graph import USER_USER
from soil_pyg.typing import INTERACTS, ITEM, USER, Triplets

NUM_USERS, NUM_ITEMS, CHANNELS = 9, 8, 3
SIZES = {"image": 5, "text": 3, "audio": 4}
BATCH = Triplets(torch.tensor([4, 0, 4, 8]), torch.tensor([1, 7, 1, 4]), torch.tensor([3, 2, 0, 5]))
Matrix = np.ndarray
Pair = tuple[Matrix, Matrix]


def first(num_modalities: int) -> dict[str, int]:
    return dict(list(SIZES.items())[:num_modalities])


def make_data(kind: type[Recommender], num_modalities: int, **graphs: Any) -> HeteroData:
    """Random data in double precision; item 5 has no modality, user 3 and item 6 have no edges."""
    rng = np.random.default_rng(0)
    data = HeteroData()
    data[USER].num_nodes, data[ITEM].num_nodes = NUM_USERS, NUM_ITEMS
    for modality, size in first(num_modalities).items():
        x = rng.standard_normal((NUM_ITEMS, size)) + 0.3
        x[5] = 0
        data[ITEM][f"x_{modality}"] = torch.from_numpy(x)
    interactions = rng.random((NUM_USERS, NUM_ITEMS)) < 0.3
    interactions[:, 6] = False
    interactions[3] = False
    data[INTERACTS].edge_index = torch.from_numpy(np.stack(np.nonzero(interactions)))
    return kind.graph_transform(**graphs)(data)


def make_model(kind: type[Recommender], num_modalities: int, **options: Any) -> Any:
    """A model in double precision whose parameters are far from their start."""
    torch.manual_seed(0)
    sizes = NUM_USERS, NUM_ITEMS, first(num_modalities)
    model = kind(*sizes, hidden_channels=CHANNELS, **options).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.4 * torch.randn_like(parameter)
    return model


class Oracle:
    """The parts that the models share."""

    def __init__(self, model: Recommender, data: HeteroData) -> None:
        self.options = model.options
        self.weight = {name: p.detach().numpy() for name, p in model.named_parameters()}
        self.names = list(model.in_channels)
        self.features = {m: data[ITEM][f"x_{m}"].numpy() for m in self.names}
        self.interactions = data[INTERACTS].edge_index
        self.user_user = self.item_item = np.empty(0)
        if USER_USER in data.edge_types:
            self.user_user = data[USER_USER].adjacency.to_dense().double().numpy()
        if ITEM_ITEM in data.edge_types:
            self.item_item = data[ITEM_ITEM].adjacency.to_dense().double().numpy()

    def user_item(self) -> Matrix:
        """The normalised matrix of all nodes, users first."""
        matrix = np.zeros((NUM_USERS + NUM_ITEMS,) * 2)
        for user, item in self.interactions.t().tolist():
            matrix[user, NUM_USERS + item] = matrix[NUM_USERS + item, user] = 1
        degree, out = matrix.sum(1), np.zeros_like(matrix)
        for a, b in zip(*np.nonzero(matrix), strict=True):
            out[a, b] = 1 / np.sqrt(degree[a] * degree[b])
        return out

    def code(self, encoder: str, x: Matrix) -> Matrix:
        weight = {name: self.weight[f"{encoder}.{name}"] for name in ENCODER}
        rows = []
        for row in x:
            hidden = weight["project.weight"] @ row + weight["project.bias"]
            hidden = np.array([h if h > 0 else 0.01 * h for h in hidden])
            rows.append(weight["output.weight"] @ hidden + weight["output.bias"])
        return np.stack(rows)

    def start(self, encoder: str, code: Matrix) -> Matrix:
        x = np.concatenate([self.weight[f"{encoder}.preference.weight"], code])
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def encode(self, encoder: str, x: Matrix) -> Pair:
        """The embeddings of users and of items after two layers."""
        matrix, start = self.user_item(), self.start(encoder, self.code(encoder, x))
        out = start + matrix @ start + matrix @ matrix @ start
        return out[:NUM_USERS], out[NUM_USERS:]

    def views(self, encoders: str = "encoders") -> list[Pair]:
        return [self.encode(f"{encoders}.{m}", self.features[m]) for m in self.names]

    def weigh(self, views: list[Pair]) -> list[Matrix]:
        """The embeddings of users times their weights."""
        weight = self.weight["user_weight.weight"]
        return [weight[:, n : n + 1] * user for n, (user, _) in enumerate(views)]

    def with_similar_items(self, item: Matrix, num_layers: int) -> Matrix:
        return item + np.linalg.matrix_power(self.item_item, num_layers) @ item

    def reg(self, batch: Triplets = BATCH) -> float:
        total = (self.weight["user_weight.weight"] ** 2).mean()
        for modality in self.names:
            preference = self.weight[f"encoders.{modality}.preference.weight"]
            total += np.mean([preference[user] ** 2 for user in batch.user.tolist()])
        return float(self.options["reg"] * total)

    def bpr(self, user: Matrix, item: Matrix, batch: Triplets = BATCH) -> float:
        losses = []
        for u, i, j in zip(*(part.tolist() for part in batch), strict=True):
            losses.append(np.log2(1 + np.exp(-user[u] @ (item[i] - item[j]))))
        return float(np.mean(losses))


ENCODER = ("project.weight", "project.bias", "output.weight", "output.bias")
