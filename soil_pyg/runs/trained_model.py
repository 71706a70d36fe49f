from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from soil_pyg.models.base import Recommender


@dataclass(repr=False)
class TrainedModel:
    """A trained model with its embeddings, and the original ids of its users and items.

    Args:
        model (Recommender): The model with its best weights, in evaluation mode.
        user_emb (Tensor): The final embeddings of all users, dense or sparse COO.
        item_emb (Tensor): The final embeddings of all items, dense or sparse COO.
        user_id (numpy.ndarray): The original ids of the users, in the order of :obj:`user_emb`.
        item_id (numpy.ndarray): The original ids of the items, in the order of :obj:`item_emb`.
        settings (dict[str, Any]): The settings that were kept with the run.
        metrics (dict[str, dict[str, float]]): The metrics on :obj:`"val"` and :obj:`"test"`.
        data_name (str): The name of the data.
        data_digest (str): The digest of the data.
        run (dict[str, Any]): The content of :obj:`run.json`, such as the history and the versions.
        folder (Path, optional): The folder of the run. (default: :obj:`None`)
        later_interactions (Tensor, optional): The interactions that :func:`soil_pyg.add_users`
            has added to those of the data, of shape :obj:`[2, num_interactions]`.
            (default: :obj:`None`)
    """

    model: Recommender
    user_emb: Tensor
    item_emb: Tensor
    user_id: np.ndarray
    item_id: np.ndarray
    settings: dict[str, Any]
    metrics: dict[str, dict[str, float]]
    data_name: str
    data_digest: str
    run: dict[str, Any]
    folder: Path | None = None
    later_interactions: Tensor | None = None

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.model.__class__.__name__}, data='{self.data_name}', "
            f"num_users={len(self.user_id)}, num_items={len(self.item_id)})"
        )
