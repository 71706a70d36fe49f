import os
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import HeteroData

from soil_pyg.explanation import Explanation
from soil_pyg.ids import find_positions
from soil_pyg.run_data import load_run_data, with_graph
from soil_pyg.score_parts import ScoreParts, graphs_of
from soil_pyg.trained_model import TrainedModel

TOLERANCE = 1e-5
"""The parts may miss the score by this, times the norms of both embeddings where they are large."""


class Explainer:
    """Takes scores of one run apart, as :func:`soil_pyg.explain` defines it. The graphs are made
    once.

    Args:
        trained (TrainedModel): The trained model.
        data (HeteroData, str or os.PathLike, optional): The data, with or without its graphs, or
            its folder. (default: the folder that the run was trained on)

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the model's score cannot be taken apart, or the data is not that of the run.
    """

    def __init__(
        self, trained: TrainedModel, data: HeteroData | str | os.PathLike[str] | None = None
    ) -> None:
        graph = graphs_of(trained.model).content
        found = load_run_data(trained, data)
        self.trained = trained
        self.data = found if graph is None else with_graph(trained, found, graph)
        self._parts = ScoreParts(trained.model, self.data)

    def explain(self, user: Any, item: Any) -> Explanation:
        """Takes the score of a user and an item apart.

        Args:
            user (Any): The id of the user.
            item (Any): The id of the item.

        Raises:
            ValueError: If one is unknown or came after the training, or if the parts do not add
                up to the score.
        """
        trained = self.trained
        u = _position(user, trained.user_id, "user", trained.model.num_users)
        i = _position(item, trained.item_id, "item", trained.model.num_items)
        user_emb, item_emb = trained.user_emb[u], trained.item_emb[i]
        found = Explanation(
            user=trained.user_id[u].item(),
            item=trained.item_id[i].item(),
            score=float(user_emb @ item_emb),
            parts=self._table(u, i),
        )
        scale = max(1.0, float(user_emb.norm() * item_emb.norm()))
        if not abs(found.total - found.score) <= TOLERANCE * scale:
            raise ValueError(
                f"The parts of the score of user '{user}' and item '{item}' add up to "
                f"{found.total:.6g}, but the score of the run is {found.score:.6g}: it was made "
                "in lower precision or with other graphs; train again with precision='32-true'"
            )
        return found

    def _table(self, user: int, item: int) -> pd.DataFrame:
        # One row for each summand of the user's embedding and each of the item's.
        item_parts = self._parts.of_item(item)
        vectors = torch.stack(list(item_parts.values()))
        frames = []
        for kind, modality, via, vector in self._parts.of_user(user):
            ids = self.trained.item_id[via.numpy()].astype(object)
            ids[via.numpy() < 0] = None
            columns = {
                "kind": kind,
                "modality": modality,
                "item_modality": np.tile(list(item_parts), len(via)),
                "via": pd.Series(ids.repeat(len(item_parts)), dtype=object),
                "value": (vector @ vectors.t()).flatten().numpy(),
            }
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)


def _position(node: Any, known: np.ndarray, kind: str, trained_on: int) -> int:
    place = int(find_positions([node], known, kind, kind)[0])
    if place >= trained_on:
        raise ValueError(
            f"'{kind}': the {kind} '{node}' came after the training, and no graph has it: train "
            "again to explain its scores"
        )
    return place
