"""Each rule of the contract of models is broken by a model, and named."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform, Compose

from soil_pyg.models import BPR, LightGCN, Recommender
from soil_pyg.models.decompose import Decomposition
from soil_pyg.models.graphs import MakeTransform, adjacency
from soil_pyg.models.loss_tables import LossTables
from soil_pyg.models.newcomers import NewUserEmbedder
from soil_pyg.testing import MODEL_RULES, ContractError, check_model
from soil_pyg.typing import INTERACTS, ITEM, Triplets

Pair = tuple[Tensor, Tensor]


class WithoutType(BPR):
    def __init__(self, num_users: int, num_items: int, in_channels: Any = None, *, k=3) -> None:
        super().__init__(num_users, num_items, in_channels)


class WithoutDefault(BPR):
    @classmethod
    def graph_transform(cls, k: int) -> BaseTransform:
        return Compose([])


class OtherOrder(BPR):
    def __init__(self, num_items: int = 7, num_users: int = 9, in_channels: Any = None) -> None:
        super().__init__(num_users, num_items, in_channels)


class AnySize(BPR):
    def __init__(self, num_users: int, num_items: int, in_channels: Any = None) -> None:
        super().__init__(max(num_users, 1), max(num_items, 1), in_channels)


class Multimodal(BPR):
    multimodal = True

    def __init__(self, num_users: int, num_items: int, in_channels: Any = None) -> None:
        super().__init__(num_users, num_items, in_channels or {"text": 3})


class Undrawn(BPR):
    def reset_parameters(self) -> None:
        if not hasattr(self, "drawn"):
            super().reset_parameters()
            self.drawn = True


class Seeded(BPR):
    def reset_parameters(self) -> None:
        torch.manual_seed(0)
        super().reset_parameters()


class Forgetful(BPR):
    def __init__(self, num_users: int, num_items: int, in_channels: Any = None) -> None:
        super().__init__(num_users, num_items, in_channels)
        self.offset = torch.rand(1)

    def forward(self, data: HeteroData) -> Pair:
        return self.tables[0], self.tables[1] + self.offset


class Nameless(BPR):
    def __repr__(self) -> str:
        return "a model"


class NoTransform(BPR):
    @classmethod
    def graph_transform(cls) -> Any:
        return lambda data: data


class OneTable(BPR):
    def forward(self, data: HeteroData) -> Any:
        return self.tables[0]


class Swapped(BPR):
    def forward(self, data: HeteroData) -> Pair:
        return self.tables[1], self.tables[0]


class Narrow(BPR):
    def forward(self, data: HeteroData) -> Pair:
        return self.tables[0][:, 1:], self.tables[1]


class Infinite(BPR):
    def forward(self, data: HeteroData) -> Pair:
        return self.tables[0] / 0, self.tables[1]


class Constant(BPR):
    def forward(self, data: HeteroData) -> Pair:
        return torch.ones_like(self.tables[0]), torch.ones_like(self.tables[1])


class Noisy(BPR):
    def forward(self, data: HeteroData) -> Pair:
        return self.tables[0], torch.rand_like(self.tables[1])


class Moody(BPR):
    def forward(self, data: HeteroData) -> Pair:
        return self.tables[0], self.tables[1] * (2 if self.training else 1)


class Single(BPR):
    def forward(self, data: HeteroData) -> Pair:
        user, item = self.tables
        return user.float(), item.float()


class PeekingLoss(BPR):
    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        terms = super().loss(data, batch)
        if "test_edge_label_index" in data[INTERACTS]:
            user, item = data[INTERACTS].test_edge_label_index
            terms["bpr"] = terms["bpr"] - (self.tables[0][user] * self.tables[1][item]).sum()
        return terms


class Frozen(BPR):
    def __init__(self, num_users: int, num_items: int, in_channels: Any = None) -> None:
        super().__init__(num_users, num_items, in_channels)
        self.scale = torch.nn.Parameter(torch.ones(64), requires_grad=False)


class Peeking(BPR):
    def forward(self, data: HeteroData) -> Pair:
        held_out = data[INTERACTS].get("test_edge_label_index", torch.zeros(2, 0).long())
        return self.tables[0], self.tables[1].index_add(0, held_out[1], self.tables[0][held_out[0]])


class Counting(BPR):
    def forward(self, data: HeteroData) -> Pair:
        return self.tables[0], self.tables[1] * (data[ITEM].get("num_nodes") or 0)


class Careless(LightGCN):
    def forward(self, data: HeteroData) -> Pair:
        if "adjacency" not in data[INTERACTS]:
            return self.tables
        return super().forward(data)

    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return BPR.loss(self, data, batch)


class Tolerant(BPR):
    multimodal = True

    def forward(self, data: HeteroData) -> Pair:
        user, item = self.tables
        return user, item * (2 if "x_text" in data[ITEM] else 1)


class WrongNewcomers(BPR):
    def new_user_embedder(self, *known: Any) -> NewUserEmbedder:
        return lambda edge_index, num_new_users: torch.zeros(num_new_users, 3)


class Drifting(BPR):
    def new_user_embedder(self, *known: Any) -> NewUserEmbedder:
        calls: list[int] = []

        def embed(edge_index: Tensor, num_new_users: int) -> Tensor:
            calls.append(num_new_users)
            return torch.full((num_new_users, 64), float(len(calls)))

        return embed


class Overriding(BPR):
    def embed_new_users(self, *args: Any) -> Tensor:  # type: ignore[misc]
        return torch.zeros(2, 64)


class Unprepared(LightGCN):
    def new_user_embedder(self, data: HeteroData, *known: Any) -> NewUserEmbedder:
        adjacency(data, INTERACTS)
        return super().new_user_embedder(data, *known)

    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        adjacency(data, INTERACTS)
        return super().decompose(data, make_transform)


class Overstated(BPR):
    def decompose(self, data: HeteroData, make_transform: MakeTransform) -> Decomposition:
        user, item = (2 * table.double() for table in self.tables)
        return Decomposition((user, item), user)


class Wordless(BPR):
    def loss(self, data: HeteroData, batch: Triplets) -> Any:
        return sum(super().loss(data, batch).values())


class Unreduced(BPR):
    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return {"bpr": self.user_embedding(batch.user).sum(dim=1)}


class Untrained(BPR):
    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return {}


class OneSided(BPR):
    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return {"users": self.user_embedding(batch.user).square().mean()}


class Idle(BPR):
    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return {**super().loss(data, batch), "constant": torch.zeros(())}


class Stopped(BPR):
    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        user, item = self.user_embedding(batch.user), self.item_embedding(batch.positive)
        return {"a": (user * item.detach()).sum() + item.square().sum()}


class Doubled(LightGCN):
    def loss_tables(self, data: HeteroData, users: Tensor) -> LossTables:
        tables = super().loss_tables(data, users)
        tables.user = [len(users) * table for table in tables.user]
        return tables


class Partial(BPR):
    def node_parameters(self) -> dict[str, str]:
        return {}


class Absorbed(BPR):
    def loss(self, data: HeteroData, batch: Triplets) -> dict[str, Tensor]:
        return {name: 0 * term for name, term in super().loss(data, batch).items()}


BROKEN: list[tuple[str, type[Recommender], str]] = [
    ("arguments_are_options", WithoutType, "'k' has no type"),
    ("arguments_are_options", WithoutDefault, "'k' has no default"),
    ("arguments_are_options", OtherOrder, "'num_items', 'num_users'"),
    ("sizes_below_one_are_refused", AnySize, "num_users=0 is accepted"),
    ("a_multimodal_model_needs_a_modality", Multimodal, "in_channels=None is accepted"),
    ("the_seed_decides_the_parameters", Undrawn, "leaves 'user_embedding.weight'"),
    ("the_seed_decides_the_parameters", Seeded, "the same for two seeds"),
    ("options_and_weights_make_the_model_again", Forgetful, "the scores differ"),
    ("repr_names_the_class", Nameless, "a model"),
    ("graph_transform_returns_a_transform", NoTransform, "function"),
    ("forward_returns_two_tables", OneTable, "Parameter"),
    ("forward_returns_two_tables", Swapped, "the shape [7, 64] for 9 users"),
    ("forward_returns_two_tables", Narrow, "63 and 64 dimensions"),
    ("forward_returns_two_tables", Infinite, "NaN"),
    ("forward_returns_two_tables", Constant, "the same score"),
    ("forward_draws_no_random_numbers", Noisy, "torch's generator"),
    ("forward_draws_no_random_numbers", Moody, "evaluation mode differs"),
    ("forward_follows_the_precision", Single, "torch.float32"),
    ("held_out_interactions_are_not_read", Peeking, "scores differ without them"),
    ("held_out_interactions_are_not_read", PeekingLoss, "'bpr' of the loss differs without them"),
    ("numbers_of_nodes_are_inferred", Counting, "scores differ"),
    ("missing_graphs_and_features_are_refused", Careless, "no graph ('user', 'interacts', 'item')"),
    ("missing_graphs_and_features_are_refused", Tolerant, "other scores without the modality"),
    ("newcomers_get_embeddings_or_a_reason", WrongNewcomers, "[2, 3], not (2, 64)"),
    ("newcomers_get_embeddings_or_a_reason", Drifting, "the second call differs"),
    ("newcomers_get_embeddings_or_a_reason", Overriding, "define new_user_embedder"),
    ("newcomers_get_embeddings_or_a_reason", Unprepared, "no prepared graph"),
    ("decompose_gives_the_score", Overstated, "not close"),
    ("decompose_gives_the_score", Unprepared, "no prepared graph"),
    ("loss_returns_finite_terms", Wordless, "Tensor"),
    ("loss_returns_finite_terms", Unreduced, "'bpr' is no scalar"),
    ("loss_returns_finite_terms", Untrained, "0 terms"),
    ("gradients_reach_each_parameter", OneSided, "none for 'item_embedding.weight'"),
    ("each_term_depends_on_the_parameters", Idle, "none for 'constant'"),
    ("gradients_are_those_of_the_loss", Stopped, "for 'item_embedding.weight'"),
    ("batches_share_a_propagation", Doubled, "another gradient of 'user_embedding.weight'"),
    ("partitions_give_gradients", Partial, "node_parameters"),
    ("an_epoch_changes_the_model", Absorbed, "all parameters stay"),
]


@pytest.mark.parametrize(("rule", "model_class", "found"), BROKEN)
def test_a_broken_rule_is_named(rule: str, model_class: type[Recommender], found: str) -> None:
    with pytest.raises(ContractError) as caught:
        check_model(model_class, rules=[rule])
    assert str(caught.value).startswith(f"{model_class.__name__} breaks the rule '{rule}': ")
    assert found in str(caught.value)
    check_model(model_class, rules=[rule], skip=[rule])


def test_each_rule_can_fail() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(MODEL_RULES)


def test_the_message_says_what_the_rule_demands() -> None:
    message = "The text of a model starts with the name of its class. Found: a model"
    with pytest.raises(ContractError, match=re.escape(message)):
        check_model(Nameless)


def test_parameters_that_need_no_gradient() -> None:
    rule = ["gradients_reach_each_parameter"]
    check_model(OneSided, rules=rule, unused=["item_embedding.weight"])
    with pytest.raises(ContractError, match="in 'unused'"):
        check_model(BPR, rules=rule, unused=["item_embedding.weight"])


@pytest.mark.parametrize("name", ["rules", "skip"])
def test_unknown_rules_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"'{name}'.*\(got 'nothing'\)"):
        check_model(BPR, **{name: ["nothing"]})


def test_other_classes_are_refused() -> None:
    with pytest.raises(TypeError, match=r"'model_class'.*\(got <class 'int'>\)"):
        check_model(int)  # type: ignore[arg-type]


def test_a_parameter_may_be_frozen() -> None:
    check_model(Frozen, unused=["scale"])
