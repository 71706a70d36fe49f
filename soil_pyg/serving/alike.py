from concurrent.futures import Future

import torch
from torch import Tensor

from soil_pyg.serving.batcher import Batcher, Best
from soil_pyg.workflow.similar import unit_rows


class Alike:
    """Ranks the rows of a table by their cosine to one of them, as :func:`soil_pyg.similar` does.

    Args:
        emb (Tensor): The embeddings of the items, or of the users. A normalised copy is kept.

    Example:
        >>> alike = Alike(torch.tensor([[1.0, 0.0], [0.0, 0.0], [3.0, 0.0], [1.0, 1.0]]))
        >>> alike.rank(torch.tensor([0]), k=2).result()
        [([2, 3], [1.0, 0.7071067690849304])]
    """

    def __init__(self, emb: Tensor) -> None:
        self._unit, norm = unit_rows(emb)
        # Rows of zeros are similar to nothing.
        self._place = (norm > 0).nonzero().view(-1)
        self._column = torch.full((len(norm),), -1)
        self._column[self._place] = torch.arange(len(self._place))
        is_whole = len(self._place) == len(norm)
        self._batcher = Batcher(self._unit if is_whole else self._unit.index_select(0, self._place))

    def rank(self, rows: Tensor, k: int) -> "Future[Best]":
        """Returns the rows most similar to each of the given ones to come, none for zeros."""
        out: Future[Best] = Future()
        column = self._column[rows]
        has = column >= 0
        masked = [place.view(1) for place in column[has]]
        if not masked:
            out.set_result([([], [])] * len(rows))
            return out

        def finish(found: "Future[Best]") -> None:
            try:
                lists = iter(found.result())
            except Exception as error:
                out.set_exception(error)
                return
            of_rows = [next(lists) if is_there else ([], []) for is_there in has.tolist()]
            out.set_result([(self._place[items].tolist(), score) for items, score in of_rows])

        self._batcher.rank(self._unit.index_select(0, rows[has]), masked, k).add_done_callback(
            finish
        )
        return out
