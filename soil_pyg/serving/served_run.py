import os
import time
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock
from typing import NamedTuple

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
from soil_pyg.serving.item_files import offered
from soil_pyg.serving.seen_items import SeenItems
from soil_pyg.typing import ITEM, USER
from soil_pyg.workflow.options import select_features
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
        self._all = self._exact = Batcher(trained.item_emb)
        if index is not None:
            self._all = Batcher(trained.item_emb, index=index)
        self._offer: _Offer | None = None
        self._data = known
        self._alike: dict[tuple[str, str | None], Alike] = {(ITEM, None): Alike(trained.item_emb)}
        self._lock = Lock()

    def offer(self, ids: dict[str, np.ndarray]) -> None:
        """Recommends from now on only the items that files allow, and none that they deny; see
        :meth:`~soil_pyg.serving.item_files.ItemFiles.read`.

        Raises :class:`ValueError` if the only items to recommend are all unknown.
        """
        is_offered = offered(ids, self.trained.item_id)
        if is_offered is None:
            self._offer = None
        else:
            batcher = Batcher(self.trained.item_emb, is_offered.nonzero().view(-1))
            self._offer = _Offer(is_offered, batcher)

    def recommend(
        self,
        users: Tensor,
        k: int,
        exclude_seen: str,
        allow: Tensor | None = None,
        deny: Tensor | None = None,
    ) -> "Future[Best]":
        """Returns the items that :func:`soil_pyg.recommend` finds for users, to come."""
        masked = self._seen.of(users, exclude_seen)
        query_emb = self.trained.user_emb.index_select(0, users)
        return self._rank(query_emb, masked, k, allow, deny)

    def recommend_to_new(
        self,
        items: list[int],
        k: int,
        exclude_seen: str,
        allow: Tensor | None = None,
        deny: Tensor | None = None,
    ) -> "Future[Best]":
        """Returns the items that :func:`soil_pyg.recommend` finds for a user that
        :func:`soil_pyg.add_users` adds with interactions with the given items, to come.

        Raises :class:`~soil_pyg.serving.graph_answers.UnavailableError` if the model cannot embed
        new users.
        """
        emb = self.of_graphs.embed_user(items)
        masked = torch.tensor(
            sorted(set(items)) if exclude_seen != "none" else [], dtype=torch.long
        )
        return self._rank(emb.to(self.trained.user_emb), [masked], k, allow, deny)

    def _make_alike(self, kind: str, by: str | None) -> Alike:
        with self._lock:
            if (kind, by) not in self._alike:
                emb = self.trained.user_emb
                if by is not None:
                    emb = select_features(self._data, [by], "by")[by]
                self._alike[kind, by] = Alike(emb)
            return self._alike[kind, by]

    def _rank(
        self,
        query_emb: Tensor,
        masked: list[Tensor],
        k: int,
        allow: Tensor | None,
        deny: Tensor | None,
    ) -> "Future[Best]":
        offer = self._offer
        if allow is not None:
            allow = torch.unique(allow)
            if offer is not None:
                allow = allow[offer.is_offered[allow]]
            batcher = Batcher(self.trained.item_emb, allow)
        elif offer is not None:
            batcher = offer.batcher
        else:
            # With a choice of items, all that are left are scored, as by the verb.
            batcher = self._all if deny is None else self._exact
        if deny is not None:
            masked = [torch.cat([items, deny]) for items in masked]
        return batcher.rank(query_emb, masked, k)

    def similar(self, kind: str, rows: Tensor, k: int, by: str | None = None) -> "Future[Best]":
        """Returns the items or users that :func:`soil_pyg.similar` finds for some of them, to
        come; :obj:`kind` is the node type.

        Raises :class:`ValueError` if the data has no modality :obj:`by`, or an item no features of
        it.
        """
        if (alike := self._alike.get((kind, by))) is None:
            alike = self._make_alike(kind, by)
        if by is not None and (lacking := alike.lacking(rows)) is not None:
            item = self.trained.item_id[lacking]
            raise ValueError(f"'item': item '{item}' has no features of '{by}'")
        return alike.rank(rows, k)


class _Offer(NamedTuple):
    is_offered: Tensor
    batcher: Batcher


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
