import subprocess
import sys

import pytest
import torch
from torch import Tensor

from soil_pyg.nn import KNN, SearchOptions
from soil_pyg.ops.search_options import check_index

pytest.importorskip("faiss")


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "index",
    [
        *("", " ", "no such index", "Flat;", "Flat;;", "Flat;nprobe", "IVF4,Flat; nprobe=2", "%s"),
        *("HNSW0", "HNSW1", "HNSW0,Flat", "HNSW32_SQ0", "IVF10_HNSW1,Flat", "IVF10(HNSW0),Flat"),
        *("IVF0", "IVF0,Flat", "PQ0", "PQ8x0", "PQ4x4fs_0", "OPQ8_0,PQ8", "RR0,Flat"),
        *("RQ0x0", "LSQ2x0", "NSG0", "NSG1", "ZnLattice1x0_0", "IVF10,PCA0,SH0", "IVF00,Flat"),
        *("HNSW8;efSearch=0", "IVF4,Flat;nprobe=0", "Flat\0", "Flat\n", "名"),
    ],
)
def test_strings_that_no_index_has(index: str) -> None:
    for make in (
        lambda: check_index(index),
        lambda: SearchOptions(index=index),
        lambda: KNN(normal(20, 4), index=index),
    ):
        with pytest.raises(ValueError, match=r"'index' must"):
            make()


@pytest.mark.parametrize(
    "index",
    [
        *("NoSuch7", "IVF21,Flat", "IVF100000,Flat", "IVF99999999999999999999,Flat", "PQ3", "IVF4"),
        *("IVF4,PQ3", "IVF4,PQ4x20", "PQ4x64", "HNSW65537", "RR99999,Flat", "LSH", "IMI2x2,Flat"),
        *("IDMap,Flat", "Flat,Flat", "PCA9,Flat", "IVF2,Flat;nosuch=3", "IVF2,Flat;nprobe=-2"),
    ],
)
def test_an_index_that_does_not_suit_the_candidates(index: str) -> None:
    def search() -> object:
        return KNN(normal(20, 4), index=index).search(normal(2, 4), k=3)

    with pytest.raises(ValueError, match=r"'index'.*\(got '[^']*\w+"):
        search()


@pytest.mark.parametrize(
    "index",
    [
        *("HNSW2", "HNSW16,Flat", "HNSW8_SQ8", "IVF2,Flat", "IVF2,SQ8", "IVF4_HNSW8,Flat", "SQ8"),
        *(
            "PCA2,Flat",
            "PCAR4,Flat",
            "PQ2x4",
            "L2norm,Flat",
            "Flat,RFlat",
            "IVF3,PQ2x4fs,RFlat",
            "IVF3,PQ2x4",
        ),
        *("RR8,Flat", "IVF4,Flat;nprobe=4", "HNSW8;efSearch=64", "SQ8,Refine(Flat)"),
    ],
)
def test_values_of_any_index_are_inner_products(index: str) -> None:
    candidates, query = normal(60, 4), normal(5, 4, seed=1)
    values, ids = KNN(candidates, index=index).search(query, k=6)
    products = (query.double() @ candidates.double().t()).float()
    assert (ids >= 0).any(dim=1).all()
    found = ids >= 0
    assert values[~found].eq(-torch.inf).all()
    torch.testing.assert_close(values[found], products.gather(1, ids.clamp(min=0))[found])
    assert (values[:, :-1] >= values[:, 1:]).all()


def test_the_process_goes_on_after_hostile_strings() -> None:
    code = """
import torch
from soil_pyg.nn import KNN
refused = 0
for index in ("HNSW0", "HNSW1", "PQ8x0", "RR0,Flat", "IVF99999,Flat", "IVF3,FlatPanorama0"):
    try:
        KNN(torch.randn(9, 8), index=index).search(torch.randn(2, 8), 3)
    except ValueError:
        refused += 1
print(refused)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "6\n")


@pytest.mark.parametrize("index", ["IVF4,PQ4x20", "PQ4x20", "RQ4x16", "HNSW65000,Flat", "IMI2x16"])
def test_a_name_is_parsed_without_memory_for_its_numbers(index: str) -> None:
    script = f"""
import resource
from soil_pyg.ops.faiss_library import import_faiss, is_parsed
import_faiss()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
is_parsed({index!r})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 2**17  # KiB
