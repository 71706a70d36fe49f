import subprocess
import sys

import pytest
import torch
from torch import Tensor

from soil_pyg.nn import KNN, SearchOptions
from soil_pyg.ops import faiss_index
from soil_pyg.ops.faiss_index import FaissIndex, default_index, fit_lists, search_index
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


@pytest.mark.parametrize(
    ("size", "index"),
    [
        *((0, "IVF1,Flat"), (2, "IVF1,Flat"), (60, "IVF8,Flat"), (196, "IVF8,Flat")),
        *((210, "IVF16,Flat"), (100_000, "IVF256,Flat"), (1_000_000, "IVF1024,Flat")),
    ],
)
def test_default_index(size: int, index: str) -> None:
    assert default_index(torch.empty(size, 4)) == index


@pytest.mark.parametrize(
    ("name", "num_vectors", "num_distinct", "fitted"),
    [
        ("IVF8,Flat", 8, 3, "IVF3,Flat"),
        ("IVF8,Flat", 7, 3, "IVF8,Flat"),
        ("IVF8,PQ4", 20, 9, "IVF8,PQ4"),
        ("HNSW8", 20, 3, "HNSW8"),
    ],
)
def test_no_more_lists_than_distinct_vectors(
    name: str, num_vectors: int, num_distinct: int, fitted: str
) -> None:
    assert fit_lists(name, num_vectors, num_distinct) == fitted


@pytest.mark.parametrize(
    ("name", "first", "deepest"),
    [
        ("IVF8,Flat", "nprobe=1", "nprobe=8"),
        ("HNSW8", "efSearch=16", "efSearch=90"),
        ("SQ8,RFlat", "k_factor_rf=8", "k_factor_rf=32"),
        ("IVF8,Flat;nprobe=3", "nprobe=3", "nprobe=3"),
        ("Flat", "", ""),
    ],
)
def test_the_search_deepens_from_its_first_to_its_deepest(
    name: str, first: str, deepest: str
) -> None:
    index = FaissIndex(normal(90, 8), name)
    assert index.parameters == first
    assert str(index) == (name if ";" in name or not first else f"{name};{first}")
    measured = []

    def measure() -> float:
        measured.append(index.parameters)
        return 0.01 * len(measured)

    reached = index.deepen(measure, recall=1.0, k=3)
    assert reached == 0.01 * len(measured)
    assert (measured[0], measured[-1], index.parameters) == (first, deepest, deepest)
    # It starts anew, and is content with the first.
    assert index.deepen(lambda: 0.5, recall=0.5, k=3) == 0.5
    assert index.parameters == first


def test_of_two_depths_the_one_that_finds_more_rises() -> None:
    index = FaissIndex(normal(90, 8), "IVF4,SQ8,RFlat")
    found = []

    def measure() -> float:
        depth = dict(part.split("=") for part in index.parameters.split(","))
        found.append(int(depth["nprobe"]))
        return 0.1 * int(depth["nprobe"]) + 0.0001 * int(depth["k_factor_rf"])

    assert index.deepen(measure, recall=0.4, k=3) == pytest.approx(0.4008)
    assert index.parameters == "k_factor_rf=8,nprobe=4"
    assert found == [1, 1, 2, 2, 3, 3, 4]


def test_depths() -> None:
    depths = [1]
    while depths[-1] < 64:
        depths.append(faiss_index._deeper(depths[-1]))
    assert depths == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]


def test_training_of_lists() -> None:
    index = FaissIndex(normal(90, 8), "IVF4,PQ4x4,RFlat")
    lists = next(layer for layer in index._layers() if hasattr(layer, "nprobe"))
    found = lists.cp.max_points_per_centroid, lists.cp.niter, lists.cp.spherical
    assert found == (faiss_index.TRAINING_POINTS, faiss_index.ITERATIONS, True)
    assert lists.cp.min_points_per_centroid == lists.pq.cp.min_points_per_centroid == 1
    assert not lists.pq.cp.spherical


def test_no_messages_about_few_points(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("IVF16,Flat", "PQ4x4", "OPQ4,PQ4", "OPQ4_8,IVF4,PQ4", "IVF4,PQ4x4,RFlat"):
        FaissIndex(normal(270, 8), name)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("IVF4,Flat;nprobe=2", "'nprobe=2'"),
        ("PQ4x4", "index='PQ4x4,RFlat'"),
        ("IVF4,Flat", "index='Flat'"),
        ("HNSW8", "index='Flat'"),
    ],
)
def test_remedies(name: str, remedy: str) -> None:
    assert remedy in FaissIndex(normal(90, 8), name).remedy


@pytest.mark.parametrize("limits", [(2**22, 2**16), (2**22, 2), (20, 2**16), (1, 1)])
@pytest.mark.parametrize("name", ["IVF4,Flat;nprobe=1", "SQ8"])
def test_blocks_of_queries(
    monkeypatch: pytest.MonkeyPatch, name: str, limits: tuple[int, int]
) -> None:
    index, query = FaissIndex(normal(30, 8), name).index, normal(5, 8, seed=1)
    values, ids = index.search(query, 20)
    monkeypatch.setattr(faiss_index, "BLOCK_ENTRIES", limits[0])
    monkeypatch.setattr(faiss_index, "MAX_QUERIES", limits[1])
    found_values, found = search_index(index, name, query, 20)
    assert found.equal(ids)
    assert found_values.equal(values.masked_fill(ids < 0, -torch.inf))
    assert (ids < 0).any() == name.startswith("IVF")
