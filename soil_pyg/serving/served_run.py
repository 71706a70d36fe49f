import os
import time
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from soil_pyg.datasets.data_folder import load_item_table
from soil_pyg.datasets.ids import find_ids
from soil_pyg.datasets.item_table import TITLE
from soil_pyg.ops.faiss_library import has_faiss
from soil_pyg.ranking.item_index import ItemIndex
from soil_pyg.runs.checkpoint import load
from soil_pyg.runs.schema import EMBEDDINGS
from soil_pyg.serving.alike import Alike
from soil_pyg.serving.batcher import Batcher, Best
from soil_pyg.serving.graph_answers import GraphAnswers
from soil_pyg.serving.id_index import IdIndex
from soil_pyg.serving.seen_items import SeenItems
from soil_pyg.typing import ITEM, USER
from soil_pyg.workflow.run_data import load_run_data


class ServedRun:
    """A run with all that its server computes once, and the rankings of the verbs for the few users
    or items of a request, which are given by position.

    The tables of the run and of its data stay mapped from their files: processes share them.

    Args:
        folder (str or os.PathLike): The folder of the run.
        data (str or os.PathLike, optional): The folder of its data.
            (default: the folder that the run was trained on)
        exact (bool): Whether to score all items although the run has an approximate index.
            (default: :obj:`False`)
        graphs (bool): Whether to build the graphs of the model, which explanations and new users
            need. (default: :obj:`True`)

    Raises:
        FileNotFoundError: If a folder or a file does not exist.
        ValueError: If a file is damaged, or the data is not that of the run.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        data: str | os.PathLike[str] | None = None,
        exact: bool = False,
        graphs: bool = True,
    ) -> None:
        self.trained = trained = load(folder)
        self.loaded = time.time()
        self.digest = str(trained.run["files"][EMBEDDINGS])[:12]
        known = load_run_data(trained, data)
        self.ids = {USER: IdIndex(trained.user_id), ITEM: IdIndex(trained.item_id)}
        self.titles = _titles(data or trained.settings.get("data"), trained.item_id)
        self.of_graphs = GraphAnswers(trained, known, graphs)
        self._seen = SeenItems(known)
        may_search = has_faiss() and not exact
        index = ItemIndex.load(trained) if may_search else None
        self._best = Batcher(trained.item_emb, index)
        self._alike = {ITEM: Alike(trained.item_emb)}
        self._lock = Lock()

    def recommend(self, users: Tensor, k: int, exclude_seen: str) -> "Future[Best]":
        """Returns the items that :func:`soil_pyg.recommend` finds for users, to come."""
        masked = self._seen.of(users, exclude_seen)
        return self._best.rank(self.trained.user_emb.index_select(0, users), masked, k)

    def recommend_to_new(self, items: list[int], k: int, exclude_seen: str) -> "Future[Best]":
        """Returns the items that :func:`soil_pyg.recommend` finds for a user that
        :func:`soil_pyg.add_users` adds with interactions with the given items, to come.

        Raises :class:`~soil_pyg.serving.graph_answers.UnavailableError` if the model cannot embed
        new users.
        """
        emb = self.of_graphs.embed_user(items)
        masked = torch.tensor(
            sorted(set(items)) if exclude_seen != "none" else [], dtype=torch.long
        )
        return self._best.rank(emb.to(self.trained.user_emb), [masked], k)

    def similar(self, kind: str, rows: Tensor, k: int) -> "Future[Best]":
        """Returns the items or users that :func:`soil_pyg.similar` finds for some of them, to
        come; :obj:`kind` is the node type.
        """
        with self._lock:
            if kind not in self._alike:
                self._alike[kind] = Alike(self.trained.user_emb)
        return self._alike[kind].rank(rows, k)


def _titles(
    folder: str | os.PathLike[str] | None, item_id: np.ndarray
) -> Sequence[str | None] | None:
    """Returns the titles of items, or :obj:`None` if the data folder has none."""
    table = None if folder is None else load_item_table(folder)
    if table is None or TITLE not in table:
        return None
    place = find_ids(item_id, table["item"].to_numpy())
    titles = table[TITLE].astype(object)
    found = titles.where(titles.notna(), None).to_numpy()[place]
    found[place < 0] = None
    titles_of_items: list[str | None] = found.tolist()
    return titles_of_items
