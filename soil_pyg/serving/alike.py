from concurrent.futures import Future

from torch import Tensor

from soil_pyg.serving.batcher import Batcher, Best
from soil_pyg.workflow.similar import unit_rows


class Alike:
    """Ranks the rows of a table by their cosine to one of them, as :func:`soil_pyg.similar` does.

    Args:
        emb (Tensor): The embeddings of the items, or of the users. A normalised copy is kept.

    Example:
        >>> import torch
        >>> alike = Alike(torch.tensor([[1.0, 0.0], [0.0, 0.0], [3.0, 0.0], [1.0, 1.0]]))
        >>> alike.rank(torch.tensor([0]), k=2).result()
        [([2, 3], [1.0, 0.7071067690849304])]
    """

    def __init__(self, emb: Tensor) -> None:
        self._unit, norm = unit_rows(emb)
        # Rows of zeros are similar to nothing.
        self._has = norm > 0
        some = None if self._has.all() else self._has.nonzero().view(-1)
        self._batcher = Batcher(self._unit, some)

    def lacking(self, rows: Tensor) -> int | None:
        """Returns the first of the given rows that is zero, or :obj:`None`."""
        zeros = rows[~self._has[rows]]
        return int(zeros[0]) if len(zeros) > 0 else None

    def rank(self, rows: Tensor, k: int) -> "Future[Best]":
        """Returns the rows most similar to each of the given ones to come, none for zeros."""
        out: Future[Best] = Future()
        has = self._has[rows]
        known = rows[has]
        if len(known) == 0:
            out.set_result([([], [])] * len(rows))
            return out

        def finish(found: "Future[Best]") -> None:
            try:
                # A cosine of rounded unit rows may exceed 1.
                lists = iter(
                    [
                        (rows, [min(1.0, max(-1.0, score)) for score in scores])
                        for rows, scores in found.result()
                    ]
                )
            except Exception as error:
                out.set_exception(error)
                return
            out.set_result([next(lists) if is_there else ([], []) for is_there in has.tolist()])

        query = self._unit.index_select(0, known)
        self._batcher.rank(query, list(known.view(-1, 1)), k).add_done_callback(finish)
        return out
