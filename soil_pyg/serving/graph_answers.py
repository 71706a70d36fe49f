import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from soil_pyg.models.explanation import Explanation
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.workflow.add_users import embed_users
from soil_pyg.workflow.explain import Explainer
from soil_pyg.workflow.run_data import run_transform


class UnavailableError(Exception):
    """Is raised for a question that a run cannot answer, with the reason."""


class GraphAnswers:
    """The answers that need the graphs of the model, which are built once.

    Args:
        trained (TrainedModel): The run.
        data (HeteroData): Its data.
        graphs (bool): Whether to build the graphs; without them, all answers are refused.
    """

    def __init__(self, trained: TrainedModel, data: HeteroData, graphs: bool) -> None:
        self._trained = trained
        self._data: HeteroData | None = None
        self._explainer: Explainer | None = None
        self._reason = "the server was started with --no-graphs: start it without"
        if not graphs:
            return
        try:
            self._data = run_transform(trained)(data)
            self._explainer = Explainer(trained, self._data)
        except ValueError as error:
            self._reason = str(error)

    def explain(self, user: int, item: int) -> Explanation:
        """Returns the parts of the score of a user and an item, given by position.

        Raises :class:`UnavailableError` if there are none.
        """
        if self._explainer is None:
            raise UnavailableError(self._reason)
        trained = self._trained
        try:
            return self._explainer.explain(trained.user_id[user], trained.item_id[item])
        except ValueError as error:
            raise UnavailableError(str(error)) from error

    def embed_user(self, items: list[int]) -> Tensor:
        """Returns the embedding of a new user with interactions with items, given by position, in
        one row.

        Raises :class:`UnavailableError` if the model has none.
        """
        if self._data is None:
            raise UnavailableError(self._reason)
        item = torch.tensor(sorted(set(items)))
        edge_index = torch.stack([torch.zeros_like(item), item])
        try:
            return embed_users(self._trained, self._data, edge_index, 1)
        except ValueError as error:
            raise UnavailableError(str(error)) from error
