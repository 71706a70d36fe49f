import logging
import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch_geometric.data import Data, HeteroData, InMemoryDataset
from torch_geometric.data.data import BaseData

from soil_pyg.datasets.digest import describe, digest_of
from soil_pyg.datasets.storage import load_data, save_data

_log = logging.getLogger(__name__)


class HeteroDataset(InMemoryDataset):
    """Base class of the data sets: one :class:`HeteroData`, prepared once and stored unpickled.

    The processed file is named by a digest of :meth:`fingerprint` and :obj:`pre_transform`. It lies
    in :obj:`processed` beside the raw files, or, where that folder is read-only, below
    :obj:`$XDG_CACHE_HOME/soil_pyg` (:obj:`~/.cache/soil_pyg`).

    Args:
        root (str or os.PathLike, optional): The folder of the data. Without one nothing is stored.
        name (str): Name of the data set, a plain file name.
        transform (callable, optional): Applied to the data at every access.
            (default: :obj:`None`)
        pre_transform (callable, optional): Applied to the data before it is stored. What a function
            does has no digest: its result is not stored but made anew each time; a transform class
            is stored. (default: :obj:`None`)
        force_reload (bool): Whether to prepare the data anew. (default: :obj:`False`)

    Raises:
        ValueError: If the name is not a plain file name.
    """

    digest: str
    """Digest of the raw content and of all options that shape the data."""

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
        self._prepared: HeteroData | None = None
        folder = None if root is None else str(Path(root).expanduser())
        super().__init__(folder, transform, pre_transform, log=False, force_reload=force_reload)
        if super().has_download and not all(Path(path).is_file() for path in self.raw_paths):
            self.download()
        self._prepare()
        self.data, self._prepared = self._prepared, None

    def fingerprint(self) -> dict[str, Any]:
        """Returns all that shapes the data as a JSON value: digests of raw files and options."""
        raise NotImplementedError

    def read(self) -> HeteroData:
        """Reads and checks the raw data."""
        raise NotImplementedError

    @property
    def raw_dir(self) -> str:
        """The folder of the raw files."""
        return self.root

    @property
    def raw_file_names(self) -> list[str]:
        """The files that must be present."""
        return []

    @property
    def processed_file_names(self) -> str:
        """The processed file, named by the digest."""
        return f"{self.digest}.safetensors"

    @property
    def processed_dir(self) -> str:
        """The folder of the processed file: beside the raw files, or else in the user's cache."""
        folder = Path(self.raw_dir) / "processed"
        return str(folder if _is_writable(folder) else _user_cache() / self.name)

    def process(self) -> None:
        """Reads, transforms and stores the data."""
        data = self.read()
        data.name, data.digest = self.name, self.digest
        if self.pre_transform is not None:
            data = self.pre_transform(data)
            if not isinstance(data, HeteroData):
                raise TypeError(f"'pre_transform' must return HeteroData (got {type(data)})")
        self._prepared = data
        if self._is_stored:
            try:
                self.save([data], self.processed_paths[0])
            except OSError as error:
                warnings.warn(f"The processed data is not kept: {error}", stacklevel=2)

    @classmethod
    def save(cls, data_list: Sequence[BaseData], path: str) -> None:
        """Stores the data with :meth:`save_data` (PyG's own method pickles)."""
        (data,) = data_list
        assert isinstance(data, HeteroData)
        save_data(data, path)

    def load(self, path: str, data_cls: type[BaseData] = Data) -> None:
        """Loads the data with :meth:`load_data` (PyG's own method unpickles)."""
        self.data = load_data(path)

    @property
    def has_download(self) -> bool:
        """Whether PyG downloads the data: it would make the raw folder first."""
        return False

    @property
    def has_process(self) -> bool:
        """Whether PyG prepares the data: it would keep the names of the transforms in pickles."""
        return False

    def _prepare(self) -> None:
        try:
            transform, self._is_stored = describe(self.pre_transform), self.root != "???"
        except (TypeError, RecursionError):
            name = re.sub(r" at 0x\w+", "", repr(self.pre_transform))
            transform, self._is_stored = name, False
        self.digest = digest_of([self.name, self.fingerprint(), transform])
        if self._is_stored and not self.force_reload and Path(self.processed_paths[0]).is_file():
            try:
                data = load_data(self.processed_paths[0])
                if "digest" not in data or data.digest != self.digest:
                    raise ValueError(f"{self.processed_paths[0]} holds other data")
                self._prepared = data
            except (OSError, ValueError) as error:
                _log.warning("Preparing %s anew: %s", self.name, error)
        if self._prepared is None:
            self.process()

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.name!r})"


def _is_writable(folder: Path) -> bool:
    while not folder.exists():
        folder = folder.parent
    # The superuser may write everywhere, and still must not where nobody else may.
    return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)


def _user_cache() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "soil_pyg"
