"""A table in a folder, one Parquet file per block: finished blocks are not computed again."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pandas as pd

from soil_pyg.utils.files import atomic_path
from soil_pyg.utils.records import read_record, write_record

FORMAT = 1
RECORD = "parts.json"


def write_parts(
    folder: Path,
    digest: str,
    number: int,
    frames: Callable[[Sequence[int]], Iterable[pd.DataFrame]],
    flag: str = "--out",
) -> None:
    """Writes the missing blocks of a table to :obj:`part-00000.parquet` and so on, each atomically.

    Args:
        folder (Path): The folder, which is created.
        digest (str): The digest of what the table depends on.
        number (int): The number of blocks.
        frames (callable): Returns the blocks with the given numbers, in their order.
        flag (str): The argument with the folder. (default: :obj:`"--out"`)

    Raises:
        ValueError: If the folder holds another table or other files.
    """
    record = {"format": FORMAT, "table": digest, "parts": number}
    path = folder / RECORD
    if path.exists():
        found = read_record(path, FORMAT, f"remove the folder (rm -r '{folder}')")
        if found != record:
            raise ValueError(
                f"'{flag}' must be a new folder or one of the same table (got '{folder}', whose "
                "table comes from another run, data or arguments)"
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"'{flag}' must be a new folder (got '{folder}', which has other files)")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_record(path, record)
    parts = [folder / f"part-{n:05}.parquet" for n in range(number)]
    missing = [n for n, part in enumerate(parts) if not part.exists()]
    if not missing:
        return
    with closing(_iterator(frames(missing))) as made:
        for n, frame in zip(missing, made, strict=True):
            with atomic_path(parts[n]) as temporary:
                frame.to_parquet(temporary, index=False)


def _iterator(frames: Iterable[pd.DataFrame]) -> Generator[pd.DataFrame, None, None]:
    yield from frames
