from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Self

from soil_pyg.ops.faiss_index import FaissIndex, default_index, search_index
from soil_pyg.ops.faiss_library import has_faiss, import_faiss
from soil_pyg.ops.knn import KNN
from soil_pyg.ops.pairs import rank_pairs
from soil_pyg.ops.search_options import SearchOptions
from soil_pyg.ops.topk import isin_rowwise
from soil_pyg.ops.vectors import as_vectors, sample_of
from soil_pyg.ranking.schema import IndexRecord
from soil_pyg.runs.schema import EMBEDDINGS
from soil_pyg.runs.trained_model import TrainedModel
from soil_pyg.utils.checks import check_integer
from soil_pyg.utils.files import atomic_path, file_digest
from soil_pyg.utils.progress import blocks
from soil_pyg.utils.records import (
    DamagedFileError,
    check_files,
    read_record,
    validate,
    write_record,
)

FORMAT = 1
INDEX = "items.index"
DESCRIPTION = "items.json"
REMEDY = (
    "repeat the 'soil-pyg train' of the run to build the index again, or with --overwrite (in "
    "Python overwrite=True) to make the whole run anew"
)

TUNED_K = 20
"""The number of neighbours that the depth of an approximate search is tuned for."""

ENTRY_BYTES = 64
"""The bytes per item that is found, including copies and its rank."""


class ItemIndex:
    """A FAISS index of the items of a run, for maximum inner product search.

    The folder of the run holds it as :obj:`items.index`, in FAISS's own format and in the order of
    the items, so that any server with FAISS can read it. :obj:`items.json` holds the description:
    the kind of index and its recall. Up to 32,768 items the index is exact.
    """

    def __init__(self, index: Any, description: dict[str, Any]) -> None:
        self._index = index
        self.description = description

    @classmethod
    def build(cls, trained: TrainedModel, index: str = "auto") -> Self | None:
        """Builds the index of the items of a run, or returns :obj:`None` if FAISS is not installed
        or the embeddings are sparse.

        :obj:`index` is that of :class:`~soil_pyg.nn.SearchOptions`, which also gives the recall.
        """
        emb = trained.item_emb
        if emb.is_sparse or not has_faiss():
            return None
        options = SearchOptions(index)
        if options.is_exact(emb.size(0)):
            index = "Flat"
        found = FaissIndex(emb, default_index(emb) if index == "auto" else index)
        recall = 1.0
        if index != "Flat":
            query = sample_of(trained.user_emb.to_dense())
            expected = KNN(emb, use_faiss=False).find(query, TUNED_K)

            def measure() -> float:
                return float(isin_rowwise(expected, found.search(query, TUNED_K)).float().mean())

            recall = found.deepen(measure, options.recall, TUNED_K)
            options.check_recall(recall, f"items by {found}", found.remedy)
        return cls(found.index, {"format": FORMAT, "index": str(found), "recall": recall})

    @property
    def is_exact(self) -> bool:
        """Returns whether all items are compared."""
        return bool(self.description["index"] == "Flat")

    def search(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        r"""Returns the inner products and indices of the :obj:`k` best items of each query, given
        in shape :obj:`[num_queries, channels]`. If fewer are found, the lists are padded with the
        value :math:`-\infty` and the index :obj:`-1`. Raises :class:`ValueError` if :obj:`k` is
        less than 1, or the queries are not finite or have another number of channels.
        """
        check_integer("k", k, 1)
        query = as_vectors("query", query)
        if query.size(1) != self._index.d:
            raise ValueError(f"'query' must have {self._index.d} channels (got {query.size(1)})")
        return search_index(self._index, self.description["index"], query, k)

    def save(self, trained: TrainedModel) -> None:
        """Writes the index to the folder that the model was loaded from, each file atomically;
        raises :class:`OSError` if a file cannot be written.
        """
        assert trained.folder is not None
        path = trained.folder / INDEX
        try:
            with atomic_path(path) as temporary:
                import_faiss().write_index(self._index, str(temporary))
        except RuntimeError as error:
            raise OSError(f"'{path}' cannot be written: {error}") from error
        self.description = {
            **self.description,
            "embeddings": trained.run["files"][EMBEDDINGS],
            "sha256": file_digest(path),
        }
        write_record(path.with_name(DESCRIPTION), self.description)

    @classmethod
    def load(cls, trained: TrainedModel) -> Self | None:
        """Loads the index of a run, or returns :obj:`None` if its folder has none of the current
        embeddings.

        Raises:
            ValueError: If a file has changed since it was written.
            ImportError: If FAISS is not installed.
        """
        if (description := read_description(trained)) is None:
            return None
        assert trained.folder is not None
        file = trained.folder / INDEX
        try:
            index = import_faiss().read_index(str(file))
        except RuntimeError as error:
            raise DamagedFileError(file, f"is not a FAISS index ({error})", REMEDY) from error
        if (index.ntotal, index.d) != trained.item_emb.size():
            reason = (
                f"must hold {len(trained.item_emb)} items (got {index.ntotal} of size {index.d})"
            )
            raise DamagedFileError(file, reason, REMEDY)
        return cls(index, description)


def read_description(trained: TrainedModel) -> dict[str, Any] | None:
    """Returns the content of :obj:`items.json`, or :obj:`None` if the folder of the run has no
    index of the current embeddings. Raises :class:`ValueError` if a file has changed since it was
    written.
    """
    if trained.folder is None or not (trained.folder / DESCRIPTION).exists():
        return None
    path = trained.folder / DESCRIPTION
    description = read_record(path, FORMAT, REMEDY)
    found = validate(IndexRecord, description, path, REMEDY)
    if found.embeddings != trained.run["files"][EMBEDDINGS]:
        return None
    check_files(path, {INDEX: found.sha256}, [INDEX], REMEDY)
    return description


@dataclass(eq=False)
class IndexRanker:
    """Ranks the items that an index finds for queries, such as users, by their inner products,
    without the pairs of query and item in :obj:`mask_index`, of shape :obj:`[2, num_pairs]`.

    The search is deeper by the largest number of masked items per query, in blocks of
    :obj:`memory_budget` bytes.
    """

    index: ItemIndex
    query_emb: Tensor
    item_emb: Tensor
    mask_index: Tensor
    memory_budget: int

    def __post_init__(self) -> None:
        query, item = self.mask_index
        self.num_items = self.item_emb.size(0)
        self._masked = (query * self.num_items + item).sort().values
        self._num_masked = torch.bincount(query, minlength=self.query_emb.size(0))

    def rank(self, users: Tensor, k: int) -> tuple[Tensor, Tensor]:
        r"""Returns the scores and indices of the :obj:`k` best items, at most :obj:`num_items`,
        that are found per user, ties by the smaller index. Lists are padded with the score
        :math:`-\infty`.
        """
        score = torch.full((len(users), k), -torch.inf)
        item = users.new_zeros(len(users), k)
        depth = min(k + int(self._num_masked[users].max()), self.num_items)
        size = max(1, self.memory_budget // (ENTRY_BYTES * depth))
        for block in blocks(len(users), size, "Searching"):
            score[block], item[block] = self._search(users[block], k, depth)
        return score, item

    def _search(self, users: Tensor, k: int, depth: int) -> tuple[Tensor, Tensor]:
        query = self.query_emb[users]
        item = self.index.search(query, depth)[1]
        pair = users.unsqueeze(1) * self.num_items + item
        at = torch.searchsorted(self._masked, pair).clamp(max=max(len(self._masked) - 1, 0))
        is_candidate = item >= 0
        if len(self._masked) > 0:
            is_candidate &= self._masked[at] != pair
        score, item = rank_pairs(query, self.item_emb, item, is_candidate)
        return score[:, :k], item[:, :k]
