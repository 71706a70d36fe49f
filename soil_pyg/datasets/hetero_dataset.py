import logging
import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch_geometric.data import Data, HeteroData
from torch_geometric.data.data import BaseData
from torch_geometric.data.in_memory_dataset import InMemoryDataset

from soil_pyg.datasets.digest import describe
from soil_pyg.datasets.storage import load_data, save_data
from soil_pyg.utils.files import digest_of, user_cache

_log = logging.getLogger(__name__)


class HeteroDataset(InMemoryDataset):
    """Base class of the data sets: one :class:`HeteroData`, prepared once, stored without pickles.

    A subclass defines :meth:`fingerprint` and :meth:`read`. The processed file is named after a
    digest of :meth:`fingerprint` and :obj:`pre_transform`. It is stored in :obj:`processed` beside
    the raw files or, if that folder is read-only, in :obj:`$XDG_CACHE_HOME/soil_pyg`
    (:obj:`~/.cache/soil_pyg`).

    Args:
        root (str or os.PathLike, optional): The folder of the data; :obj:`None` stores nothing.
        name (str): The name of the data set, a plain file name.
        transform (callable, optional): Applied to the data at every access.
            (default: :obj:`None`)
        pre_transform (callable, optional): Applied to the data before it is stored. A function has
            no digest, so its result is not stored; use a transform class instead.
            (default: :obj:`None`)
        force_reload (bool): Whether to prepare the data again. (default: :obj:`False`)

    Raises:
        ValueError: If the name is not a plain file name.
    """

    digest: str
    """The digest of the raw content and of all options that shape the data."""

    def __init__(
        self,
        root: str | os.PathLike[str] | None,
        name: str,
        transform: Callable[[Any], Any] | None = None,
        pre_transform: Callable[[Any], Any] | None = None,
        force_reload: bool = False,
    ) -> None:
        if name in ("", ".", "..") or Path(name).name != name:
            raise ValueError(f"'name' must be a plain file name (got {name!r})")
        self.name = name
        folder = None if root is None else str(Path(root).expanduser())
        super().__init__(folder, transform, pre_transform, log=False, force_reload=force_reload)
        if not all(Path(path).is_file() for path in self.raw_paths):
            self.download()
        try:
            described, is_stored = describe(pre_transform), root is not None
        except (TypeError, RecursionError):
            described, is_stored = re.sub(r" at 0x\w+", "", repr(pre_transform)), False
        self.digest = digest_of([name, self.fingerprint(), described])
        # PyG's 'process' would write pickles of the transforms and load those it finds.
        stored = self._load_stored() if is_stored and not force_reload else None
        self.data = self._prepare(is_stored) if stored is None else stored

    def fingerprint(self) -> dict[str, Any]:
        """Returns everything that shapes the data as a JSON value: file digests and options."""
        raise NotImplementedError

    def read(self) -> HeteroData:
        """Reads and checks the raw data."""
        raise NotImplementedError

    @property
    def raw_dir(self) -> str:
        """The folder of the raw files."""
        return str(self.root)

    @property
    def raw_file_names(self) -> list[str]:
        """The files that must be present."""
        return []

    @property
    def processed_file_names(self) -> str:
        """The processed file, named after the digest."""
        return f"{self.digest}.safetensors"

    @property
    def processed_dir(self) -> str:
        """The folder of the processed file: beside the raw files, or else in the user's cache."""
        folder = Path(self.raw_dir) / "processed"
        return str(folder if _is_writable(folder) else user_cache() / self.name)

    @property
    def has_download(self) -> bool:
        """:obj:`False`, because PyG would create the raw folder before :meth:`download`."""
        return False

    def download(self) -> None:
        """Raises an error if one of :obj:`raw_file_names` is missing."""
        raise FileNotFoundError(f"The files {', '.join(self.raw_paths)} must exist")

    @classmethod
    def save(cls, data_list: Sequence[BaseData], path: str) -> None:
        """Stores the data with :func:`save_data`, because PyG's own method pickles."""
        (data,) = data_list
        assert isinstance(data, HeteroData)
        save_data(data, path)

    def load(self, path: str, data_cls: type[BaseData] = Data) -> None:
        """Loads the data with :func:`load_data`, because PyG's own method unpickles."""
        self.data = load_data(path)

    def _load_stored(self) -> HeteroData | None:
        path = Path(self.processed_paths[0])
        if not path.is_file():
            return None
        try:
            data = load_data(path)
            if "digest" not in data or data.digest != self.digest:
                raise ValueError(f"{path} holds other data")
        except (OSError, ValueError) as error:
            _log.warning("Preparing %s again: %s", self.name, error)
            return None
        return data

    def _prepare(self, is_stored: bool) -> HeteroData:
        data = self.read()
        data.name, data.digest = self.name, self.digest
        if self.pre_transform is not None:
            data = self.pre_transform(data)
            if not isinstance(data, HeteroData):
                raise TypeError(f"'pre_transform' must return HeteroData (got {type(data)})")
        if is_stored:
            try:
                self.save([data], self.processed_paths[0])
            except OSError as error:
                warnings.warn(f"The processed data cannot be stored: {error}", stacklevel=3)
        return data

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.name!r})"


def _is_writable(folder: Path) -> bool:
    while not folder.exists():
        folder = folder.parent
    # The superuser can write everywhere but must respect a read-only folder.
    return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)
