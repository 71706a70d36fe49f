"""The size of the content of Parquet files, whose encodings shrink repeated values to nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet

from soil_pyg.datasets.growth import SMALL, check_growth

_VALUE_BYTES = 8
_OBJECT_BYTES = 128
"""The size of a list or dictionary without its content."""
_REMEDY = (
    "it is no table, or write it without encodings (in pandas: frame.to_parquet(path, "
    "compression=None, use_dictionary=False))"
)


def check_parquet_size(path: Path, columns: Sequence[str] | None = None) -> None:
    """Raises :class:`~soil_pyg.datasets.growth.GrowthError` before columns are read that would fill
    the memory.

    Numbers are counted by the metadata. The texts of a dictionary may have any length and take a
    byte per repetition, so that their lengths are looked at.

    Args:
        path (Path): The file.
        columns (sequence, optional): The names of the columns. (default: all)
    """
    size = 0
    with pyarrow.parquet.ParquetFile(path) as file:
        metadata, schema = file.metadata, file.schema
    leaves = [schema.column(j) for j in range(metadata.num_columns)]
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    with pyarrow.parquet.ParquetFile(path, read_dictionary=texts) as file:
        for group in range(metadata.num_row_groups):
            num_rows = metadata.row_group(group).num_rows
            for j, leaf in enumerate(leaves):
                if columns is not None and not _is_part(leaf.path, columns):
                    continue
                chunk = metadata.row_group(group).column(j)
                num_values = max(chunk.num_values, num_rows)
                size += chunk.total_uncompressed_size
                size += num_values * max(_VALUE_BYTES, leaf.length)
                if leaf.path != leaf.name:
                    is_list = leaf.max_repetition_level == 1
                    size += (num_rows if is_list else num_values) * _OBJECT_BYTES
                check_growth(path, size, _REMEDY)
                if leaf.physical_type == "BYTE_ARRAY":
                    longest = _longest(file, group, leaf.path)
                    if size + num_values * longest > SMALL:
                        size += _text_bytes(file, group, leaf.path)
                        check_growth(path, size, _REMEDY)
                    else:
                        size += num_values * longest


def _is_part(leaf: str, columns: Sequence[str]) -> bool:
    return any(leaf == name or leaf.startswith(f"{name}.") for name in columns)


def _longest(file: Any, group: int, leaf: str) -> int:
    """Returns the length of the longest text of a dictionary, which one row is enough to read."""
    for batch in file.iter_batches(batch_size=1, row_groups=[group], columns=[leaf]):
        lengths = pc.binary_length(_texts(batch.column(0)).dictionary)
        return pc.max(lengths).as_py() or 0
    return 0


def _text_bytes(file: Any, group: int, leaf: str) -> int:
    """Returns the length of all texts, which are not held but as places in a dictionary."""
    size = 0
    for chunk in file.read_row_group(group, columns=[leaf]).column(0).chunks:
        texts = _texts(chunk)
        lengths = pc.binary_length(texts.dictionary).cast(pyarrow.int64())
        size += pc.sum(lengths.take(texts.indices)).as_py() or 0
    return size


def _texts(values: Any) -> Any:
    """Returns the texts inside of lists and objects."""
    while not pyarrow.types.is_dictionary(values.type):
        is_struct = pyarrow.types.is_struct(values.type)
        values = values.field(0) if is_struct else values.values
    return values
