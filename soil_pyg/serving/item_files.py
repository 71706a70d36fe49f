import logging
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from soil_pyg.datasets.id_files import read_id_file
from soil_pyg.datasets.ids import find_ids
from soil_pyg.typing import ITEM

logger = logging.getLogger("soil_pyg")


class ItemFiles:
    """The files of the items that a whole shop recommends and of those that it does not, in the
    forms that :func:`soil_pyg.recommend` takes.

    Args:
        allow (str or os.PathLike, optional): The file of the only items to recommend.
            (default: :obj:`None`)
        deny (str or os.PathLike, optional): The file of the items never to recommend.
            (default: :obj:`None`)
        column (str, optional): The column of the ids, if a file is a table.
            (default: :obj:`"item"`)
    """

    def __init__(
        self,
        allow: str | os.PathLike[str] | None = None,
        deny: str | os.PathLike[str] | None = None,
        column: str = ITEM,
    ) -> None:
        self._column = column
        given = {"allow_file": allow, "deny_file": deny}
        self._paths = {name: Path(x).expanduser() for name, x in given.items() if x is not None}

    def look(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Returns the state of the files, which differs once one of them is written or replaced."""
        return tuple(map(_look, self._paths.values()))

    def read(self) -> dict[str, np.ndarray]:
        """Returns the ids of each file, by :obj:`"allow_file"` and :obj:`"deny_file"`.

        Raises :class:`FileNotFoundError` or :class:`ValueError` if a file cannot be read, or no
        item is allowed.
        """
        found = {
            name: read_id_file(path, name, self._column, skip_blank=True)
            for name, path in self._paths.items()
        }
        if "allow_file" in found and len(found["allow_file"]) == 0:
            raise ValueError(
                f"'allow_file' ({self._paths['allow_file']}) must name at least one item (got none)"
            )
        return found


def offered(ids: dict[str, np.ndarray], known: np.ndarray) -> Tensor | None:
    """Returns which of the known items may be recommended, given the ids of files, or :obj:`None`
    for all.

    Ids that are unknown are ignored: a shop may have items that are newer than the run. Raises
    :class:`ValueError` if the only items to recommend are all unknown.

    Example:
        >>> offered({"deny_file": np.array(["tea", "rum"])}, np.array(["milk", "tea"]))
        tensor([ True, False])
    """
    if not ids:
        return None
    out = torch.full((len(known),), "allow_file" not in ids)
    place = {name: find_ids(given, known) for name, given in ids.items()}
    for name, found in place.items():
        out[torch.from_numpy(found[found >= 0])] = name == "allow_file"
    if "allow_file" in ids and not out.any():
        raise ValueError(
            "'allow_file' must name an item of the run that is not denied (got none): check the ids"
        )
    for name, found in place.items():
        if len(unknown := ids[name][found < 0]) > 0:
            text = "'%s': the run lacks %d of %d items, such as '%s'; they are ignored"
            logger.warning(text, name, len(unknown), len(found), unknown[0])
    return out


def _look(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
