"""The items to which recommendations owe most of their scores."""

from torch_geometric.data import HeteroData

from soil_pyg.models.explanation import SECOND_ORDER
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.workflow.explain import Explainer
from soil_pyg.workflow.ids import find_positions, plain_id

NUM_REASONS = 2
"""The maximum number of reasons per recommendation."""


class Reasons:
    """Finds the items that contribute most to scores, see :func:`soil_pyg.explain`.

    Args:
        trained (TrainedModel): The model.
        data (HeteroData): The data with the graphs of the model.
    """

    def __init__(self, trained: TrainedModel, data: HeteroData) -> None:
        self._trained = trained
        self.missing = ""
        """Why there are no reasons, empty if there are."""
        self._explainer: Explainer | None = None
        try:
            self._explainer = Explainer(trained, data)
        except ValueError as error:
            self.missing = str(error)

    def find(self, user: int, item: int) -> list[tuple[int, bool]]:
        """Returns the items, given the positions of a user and of a recommended item: their
        positions, and whether each is a second-order item instead of one of the history.
        """
        if self._explainer is None:
            return []
        trained = self._trained
        pair = plain_id(trained.user_id, user), plain_id(trained.item_id, item)
        try:
            found = self._explainer.explain(*pair).by_item()
        except ValueError as error:
            self.missing = str(error)
            return []
        found = found[found["via"].notna() & (found["value"] > 0)][:NUM_REASONS]
        ids = found["via"].tolist()
        places = find_positions(ids, trained.item_id, "item", "item", may_be_empty=True)
        return list(zip(places.tolist(), (found["kind"] == SECOND_ORDER).tolist(), strict=True))
