import re

import numpy as np

_INTEGER = re.compile("0|-?[1-9][0-9]{0,18}", re.ASCII)
_INT64 = np.iinfo(np.int64)


class IdIndex:
    """Finds single ids among the distinct ids of a run, as
    :func:`~soil_pyg.datasets.ids.find_ids` does for many.

    That function reads all known ids per call. This one searches them, mapped as they are if they
    ascend, as those of prepared data do.

    Args:
        known (numpy.ndarray): The ids.

    Example:
        >>> index = IdIndex(np.array(["milk", "tea"]))
        >>> index.find("tea"), index.find("rum")
        (1, -1)
    """

    def __init__(self, known: np.ndarray) -> None:
        self.known = known
        self._order: np.ndarray | None = None
        self._places: dict[str, int] | None = None
        if known.dtype != np.int64 and known.dtype.kind != "U":
            self._places = {str(value): place for place, value in enumerate(known.tolist())}
        elif not bool((known[1:] > known[:-1]).all()):
            self._order = np.argsort(known)

    def find(self, text: str) -> int:
        """Returns the position of an id, or -1 if it is unknown."""
        if self._places is not None:
            return self._places.get(text, -1)
        if self.known.dtype.kind == "U":
            # NumPy pads texts with NUL, and a longer text would make it copy all of them.
            if "\0" in text or len(text) > self.known.dtype.itemsize // 4:
                return -1
            wanted = np.array(text, dtype=self.known.dtype)
        elif _INTEGER.fullmatch(text) and _INT64.min <= int(text) <= _INT64.max:
            wanted = np.array(int(text), dtype=np.int64)
        else:
            return -1
        place = int(np.searchsorted(self.known, wanted, sorter=self._order))
        if place == len(self.known):
            return -1
        place = place if self._order is None else int(self._order[place])
        return place if self.known[place] == wanted else -1
