"""Small Parquet files whose content would fill the memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from soil_pyg import cli
from soil_pyg.datasets.frames import read_table
from soil_pyg.datasets.growth import SMALL, GrowthError
from soil_pyg.datasets.parquet_size import check_parquet_size

TEXT = "x" * 10**6


def repeated(values: pyarrow.Array, count: int) -> pyarrow.Array:
    return pyarrow.DictionaryArray.from_arrays(np.zeros(count, dtype=np.int32), values)


def ones(count: int) -> np.ndarray:
    return np.arange(count + 1, dtype=np.int32)


BOMBS = {
    "numbers": (repeated(pyarrow.array([0]), 2**20).dictionary_decode(), 13),
    "texts": (repeated(pyarrow.array([TEXT]), 10**5), 1),
    "bytes": (repeated(pyarrow.array([TEXT.encode()]), 10**5), 1),
    "lists of texts": (
        pyarrow.ListArray.from_arrays(ones(10**4), repeated(pyarrow.array([TEXT]), 10**4)),
        1,
    ),
    "lists without content": (
        pyarrow.ListArray.from_arrays(ones(2**20) * 0, pyarrow.array([], pyarrow.int32())),
        4,
    ),
    "objects": (
        pyarrow.StructArray.from_arrays([repeated(pyarrow.array([TEXT]), 10**4)], ["a"]),
        1,
    ),
    "vectors": (pyarrow.FixedSizeListArray.from_arrays(np.zeros(2**22, np.float32), 2**12), 10),
    "bytes of one length": (
        pyarrow.array([bytes(10**4)] * 10**3, pyarrow.binary(10**4)),
        40,
    ),
}
"""Columns, and the number of row groups that hold each."""


POOLS: list[pyarrow.MemoryPool] = []


@pytest.fixture
def pool() -> Iterator[pyarrow.MemoryPool]:
    """The pool of all that is read, which begins with nothing."""
    usual = pyarrow.default_memory_pool()
    pool = pyarrow.proxy_memory_pool(usual)
    # What an error holds may be freed later, by a pool that must still be there.
    POOLS.append(pool)
    pyarrow.set_memory_pool(pool)
    yield pool
    pyarrow.set_memory_pool(usual)


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_are_refused_before_they_are_read(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], pool: pyarrow.MemoryPool
) -> None:
    column, num_groups = BOMBS[kind]
    users = pyarrow.array(np.arange(len(column)) % 7)
    table = pyarrow.table({"user": users, "item": users, "vector": column})
    path = tmp_path / "bomb.parquet"
    with pyarrow.parquet.ParquetWriter(
        path, table.schema, compression="zstd", store_schema=False
    ) as writer:
        for _ in range(num_groups):
            writer.write_table(table)
    assert path.stat().st_size < 2**21
    pd.DataFrame({"user": ["a"], "item": ["b"]}).to_csv(tmp_path / "p.csv", index=False)
    before = pool.max_memory()
    out = ["--out", str(tmp_path / "NEW")]
    for arguments in (
        [str(path), "--split-column", "vector"],
        [str(tmp_path / "p.csv"), "--features", f"text={path}"],
        [str(tmp_path / "p.csv"), "--items", str(path)],
    ):
        assert cli.main(["prepare", *arguments, *out]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert f"{path} must not grow to more than 200 times its size" in error
    assert pool.max_memory() - before < SMALL / 8
    assert not (tmp_path / "NEW").exists()


def test_lawful_columns_are_read(tmp_path: Path) -> None:
    titles = ["tea"] * 10**4
    # The longest text alone does not tell how long all are.
    titles[5] = TEXT
    frame = pd.DataFrame({"item": range(10**4), "title": titles, "one_hot": [[0.0] * 64] * 10**4})
    frame.to_parquet(path := tmp_path / "items.parquet")
    pd.testing.assert_frame_equal(
        read_table(path, "items", ["item"]).frame[["title"]], frame[["title"]]
    )


@pytest.mark.parametrize("kind", ["list", "map", "object"])
def test_nested_texts_are_read(kind: str, tmp_path: Path) -> None:
    types = {
        "list": (pyarrow.list_(pyarrow.list_(pyarrow.string())), [["a"], None]),
        "map": (pyarrow.map_(pyarrow.string(), pyarrow.string()), [("a", "b")]),
        "object": (pyarrow.struct({"x": pyarrow.list_(pyarrow.string())}), {"x": ["a", None]}),
    }
    kind_of, value = types[kind]
    table = pyarrow.table(
        {"item": ["a", "b"], "nested.list": pyarrow.array([value, None], kind_of)}
    )
    pyarrow.parquet.write_table(table, path := tmp_path / "items.parquet")
    assert len(read_table(path, "items", ["item"]).frame) == 2


def test_remedy_of_a_lawful_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"user": rng.permutation(10**4), "item": 0, "note": "x" * 30_000})
    frame.to_parquet(path := tmp_path / "p.parquet")
    with pytest.raises(GrowthError, match="compression=None, use_dictionary=False"):
        check_parquet_size(path)
    check_parquet_size(path, ["user", "item"])
    frame.to_parquet(path, compression=None, use_dictionary=False)
    check_parquet_size(path)
