import csv
import errno
import sqlite3
from argparse import ArgumentError

import numpy as np
import pyarrow
import pytest
import torch
import yaml
from numpy.exceptions import AxisError

from soil_pyg.cli.errors import FailureError, outcome_of
from soil_pyg.ops.knn import KNN
from soil_pyg.utils.files import write_text


def raised(statement: str) -> Exception:
    """Returns the error of a statement of another library."""
    names = {"torch": torch, "np": np, "pa": pyarrow, "sqlite3": sqlite3, "yaml": yaml, "csv": csv}
    try:
        exec(statement, names)
    except Exception as error:
        return error
    raise AssertionError(f"{statement} raises nothing")


ALLOCATOR = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 240000000000 bytes. Error code 12 (Cannot allocate memory)"
)
FAISS = (
    "Error in void faiss::Clustering::train_encoded(faiss::idx_t, const float*) at /project/faiss/"
    "Clustering.cpp:66: Error: 'nx >= static_cast<idx_t>(k)' failed: Number of training points "
    "(40) should be at least as large as number of clusters (100000)"
)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (RuntimeError(ALLOCATOR), 2, ["memory", "223.5 GiB", "smaller"]),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
            2,
            ["20.00 G"],
        ),
        (MemoryError(), 2, ["not enough memory"]),
        (raised("np.empty((10**7, 10**9))"), 2, ["not enough memory", "PiB"]),
        (raised("torch.empty(10**6, 10**9)"), 2, ["not enough memory", "GiB"]),
        (raised("torch.empty(2**40, 2**40)"), 2, ["memory"]),
        (RuntimeError("std::bad_alloc"), 2, ["not enough memory"]),
        (OSError(errno.ENOMEM, "other"), 2, ["memory", "smaller"]),
        (RecursionError("maximum recursion depth exceeded"), 2, ["nested too deeply"]),
        (raised("torch.arange(3) + 10**30"), 2, ["too large"]),
        (raised("int('9' * 5000)"), 2, ["4300 digits"]),
        (RuntimeError(FAISS), 2, ["FAISS: Number of training points (40)"]),
        (raised("pa.array([[1], 2])"), 2, ["non-list"]),
        (pyarrow.ArrowNotImplementedError("no such cast"), 2, ["pyarrow: no such cast"]),
        (pyarrow.ArrowKeyError("none"), 2, ["pyarrow"]),
        (raised("sqlite3.connect('/no/such/file')"), 2, ["sqlite3: unable to open"]),
        (raised("yaml.safe_load('{')"), 2, ["yaml", "line 1"]),
        (raised("list(csv.reader(['a' * 200000]))"), 2, ["csv: field larger"]),
        (raised("b'\\xff'.decode()"), 2, ["utf-8", "0xff"]),
        (ArgumentError(None, "expected one argument"), 2, ["expected one argument"]),
        (FailureError("failed: a"), 1, ["failed: a"]),
        (ImportError("'timm' is missing"), 1, ["'timm' is missing"]),
        (raised("1 / 0"), 1, ["internal error: ZeroDivisionError", "SOIL_PYG_TRACEBACK=1"]),
        (raised("{}['name']"), 1, ["internal error: KeyError: 'name'"]),
        (AxisError("axis"), 2, ["axis"]),
    ],
    ids=str,
)
def test_kinds_of_errors(error: Exception, code: int, words: list[str]) -> None:
    outcome = outcome_of(error, [])
    assert outcome.exit_code == code
    for word in words:
        assert word in outcome.message


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.ENAMETOOLONG])
def test_errors_of_the_system_name_the_file(code: int) -> None:
    outcome = outcome_of(OSError(code, "other", b"/a/b"), [])
    assert outcome.exit_code == 2
    assert outcome.message.startswith("'/a/b': ")
    assert "; " in outcome.message


def test_flags_with_large_values_are_named() -> None:
    argv = ["train", "DATA", "--seed", "1", "--hidden_channels", "1000000000", "--k=20000000"]
    for error in (MemoryError(), OverflowError("int too big to convert")):
        message = outcome_of(error, argv).message
        assert "--hidden_channels 1000000000, --k 20000000" in message
        assert "--seed" not in message


def test_an_index_that_faiss_refuses() -> None:
    pytest.importorskip("faiss")
    with pytest.raises((RuntimeError, ValueError)) as caught:
        KNN(torch.randn(50, 8), index="IVF1000,Flat").search(torch.randn(2, 8), 3)
    assert outcome_of(caught.value, []).exit_code == 2


def test_a_long_name_is_refused(tmp_path: object) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 -- the message is what is tested
        write_text(f"{tmp_path}/{'a' * 300}", "")
    assert "shorter path" in outcome_of(caught.value, []).message
