from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.explanation import Explanation
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.workflow.add_users import user_embedder
from soil_pyg.workflow.explain import Explainer
from soil_pyg.workflow.run_data import run_transform


class UnavailableError(ValueError):
    """Is raised for a question that a run cannot answer, with the reason."""


T = TypeVar("T")

NO_GRAPHS = "the server was started with --no-graphs: start it without"


class GraphAnswers:
    """The answers that need the graphs of the model. What does not depend on a request is computed
    once.

    Args:
        trained (TrainedModel): The run.
        data (HeteroData): Its data.
        graphs (bool): Whether to build the graphs; without them, all answers are refused.
    """

    def __init__(self, trained: TrainedModel, data: HeteroData, graphs: bool) -> None:
        self._trained = trained
        built = _or_reason(lambda: run_transform(trained)(data)) if graphs else NO_GRAPHS
        self._explainer = _or_reason(lambda: Explainer(trained, _there(built)))
        self._embed = _or_reason(lambda: user_embedder(trained, _there(built)))

    def explain(self, user: int, item: int) -> Explanation:
        """Returns the parts of the score of a user and an item, given by position.

        Raises :class:`UnavailableError` if there are none.
        """
        explainer, trained = _there(self._explainer), self._trained
        ids = trained.user_id[user], trained.item_id[item]
        return _there(_or_reason(lambda: explainer.explain(*ids)))

    def embed_user(self, items: list[int]) -> Tensor:
        """Returns the embedding of a new user with interactions with items, given by position, in
        one row.

        Raises :class:`UnavailableError` if the model has none.
        """
        embed, item = _there(self._embed), torch.tensor(sorted(set(items)))
        edge_index = torch.stack([torch.zeros_like(item), item])
        return _there(_or_reason(lambda: embed(edge_index, 1)))


def _or_reason(make: Callable[[], T]) -> T | str:
    try:
        return make()
    except ValueError as error:
        return str(error)


def _there(found: T | str) -> T:
    if isinstance(found, str):
        raise UnavailableError(found)
    return found
